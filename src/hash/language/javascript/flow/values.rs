//! Values, and the places of the functions that they call.

use super::super::super::flow::Place;
use super::PARAMETERS;
use oxc_semantic::SymbolId;

/// Number of places of a variable: its value, and the parameters and result of the function that it holds.
pub(super) const PLACES: u32 = PARAMETERS as u32 + 2;

/// The function that is called when a value is called.
#[derive(Clone, Debug)]
pub(super) enum Callee {
    /// The value is not a function.
    Nothing,
    /// A function expression.
    Function(Function),
    /// The function in a variable or property.
    Slot(Slot),
    /// Any function.
    Unknown,
}

/// The value of an expression.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) place: Place,
    pub(super) callee: Callee,
}

impl Value {
    /// Text, numbers and similar data.
    pub(super) const DATA: Self = Self { place: Place::Local(0), callee: Callee::Nothing };

    pub(super) fn unknown(place: Place) -> Self {
        Self { place, callee: Callee::Unknown }
    }

    /// Whether it cannot contain anything that this source tracks.
    pub(super) fn is_data(&self) -> bool {
        self.place == Place::Local(0)
    }
}

/// The places of a function's parameters, followed by its result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function(pub(super) u32);

impl Function {
    pub(super) fn parameter(self, number: usize) -> Place {
        let last = u32::from(PARAMETERS) - 1;
        Place::Local(self.0 + u32::try_from(number).unwrap_or(last).min(last))
    }

    pub(super) fn returned(self) -> Place {
        Place::Local(self.0 + u32::from(PARAMETERS))
    }
}

/// The name through which a function is called.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    Variable(SymbolId),
    Property(String),
}

impl Slot {
    pub(super) fn value(&self) -> Place {
        match self {
            Self::Variable(symbol) => Place::Local(first_place(*symbol)),
            Self::Property(name) => Place::Property(name.clone()),
        }
    }

    pub(super) fn parameter(&self, number: usize) -> Place {
        match self {
            Self::Variable(symbol) => Function(first_place(*symbol) + 1).parameter(number),
            Self::Property(name) => {
                let last = PARAMETERS - 1;
                Place::Parameter(name.clone(), u8::try_from(number).unwrap_or(last).min(last))
            }
        }
    }

    pub(super) fn returned(&self) -> Place {
        match self {
            Self::Variable(symbol) => Function(first_place(*symbol) + 1).returned(),
            Self::Property(name) => Place::Returned(name.clone()),
        }
    }
}

pub(super) fn first_place(symbol: SymbolId) -> u32 {
    1 + u32::try_from(symbol.index()).unwrap_or(0) * PLACES
}
