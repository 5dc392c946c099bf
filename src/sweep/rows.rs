//! Where runs come from beside options: the lines of a list, the records of a CSV file, the objects of JSON lines.
//!
//! One row is read at a time: a list may be longer than memory.

use super::{Parameters, csv};
use crate::error::{Error, Result};
use serde_json::Value;
use std::io::BufRead;

/// The name of the parameter that a line is.
pub const LINE: &str = "line";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One parameter a line.
    Lines,
    /// The first record names the columns.
    Csv,
    /// One object a line.
    JsonLines,
}

impl Form {
    /// The form of a file of this name.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let name = name.to_ascii_lowercase();
        if name.ends_with(b".csv") {
            Self::Csv
        } else if name.ends_with(b".jsonl") || name.ends_with(b".ndjson") {
            Self::JsonLines
        } else {
            Self::Lines
        }
    }
}

/// Rows, one after the other.
pub struct Rows {
    from: Box<dyn BufRead + Send>,
    form: Form,
    /// What messages call it.
    name: String,
    columns: Vec<String>,
    /// The first row of JSON lines, which was read for its names.
    first: Option<Parameters>,
    number: u64,
}

impl Rows {
    /// Begins to read.
    ///
    /// # Errors
    /// The first line cannot be read or is not of the form.
    pub fn open(from: Box<dyn BufRead + Send>, form: Form, name: &str) -> Result<Self> {
        let mut rows =
            Self { from, form, name: name.to_owned(), columns: Vec::new(), first: None, number: 0 };
        match form {
            Form::Lines => rows.columns = vec![LINE.to_owned()],
            Form::Csv => rows.columns = rows.header()?,
            Form::JsonLines => {
                rows.first = rows.read()?;
                rows.columns = rows.first.iter().flatten().map(|(name, _)| name.clone()).collect();
            }
        }
        Ok(rows)
    }

    /// The names of the parameters that every row has; none where there are no rows.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// It cannot be read or is not of the form.
    pub fn next_row(&mut self) -> Result<Option<Parameters>> {
        match self.first.take() {
            Some(row) => Ok(Some(row)),
            None => self.read(),
        }
    }

    fn wrong(&self, what: &str) -> Error {
        Error::usage(format!("row {} of {}: {what}", self.number, self.name))
            .with_hint("one value a line, a CSV file with a first line of names, or one JSON object a line")
    }

    fn header(&mut self) -> Result<Vec<String>> {
        let names = csv::next_record(&mut self.from).map_err(|error| self.wrong(&error.to_string()))?;
        let mut columns: Vec<String> = Vec::new();
        for name in names.unwrap_or_default() {
            let name = String::from_utf8(name).map_err(|_| self.wrong("a name is not UTF-8"))?;
            let name = name.trim_start_matches('\u{feff}').trim().to_owned();
            if name.is_empty() || columns.contains(&name) {
                return Err(self.wrong(&format!("the columns need names of their own ('{name}')")));
            }
            columns.push(name);
        }
        Ok(columns)
    }

    fn read(&mut self) -> Result<Option<Parameters>> {
        self.number += 1;
        match self.form {
            Form::Csv => {
                let fields =
                    csv::next_record(&mut self.from).map_err(|error| self.wrong(&error.to_string()))?;
                let Some(fields) = fields else { return Ok(None) };
                if fields.len() != self.columns.len() {
                    let (has, wants) = (fields.len(), self.columns.len());
                    return Err(self.wrong(&format!("{has} fields where the first line names {wants}")));
                }
                Ok(Some(self.columns.iter().cloned().zip(fields).collect()))
            }
            Form::Lines => {
                let Some(line) = self.line()? else { return Ok(None) };
                if line.contains(&0) {
                    return Err(self.wrong("a NUL byte, which no word of a command can hold"));
                }
                Ok(Some(vec![(LINE.to_owned(), line)]))
            }
            Form::JsonLines => loop {
                let Some(line) = self.line()? else { return Ok(None) };
                if !line.iter().all(u8::is_ascii_whitespace) {
                    return self.object(&line).map(Some);
                }
            },
        }
    }

    /// A line without its end; `None` at the end.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self.from.read_until(b'\n', &mut line).map_err(|error| self.wrong(&error.to_string()))?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok((read > 0).then_some(line))
    }

    fn object(&self, line: &[u8]) -> Result<Parameters> {
        let value: Value = serde_json::from_slice(line).map_err(|error| self.wrong(&error.to_string()))?;
        let Value::Object(fields) = value else { return Err(self.wrong("it is not JSON object")) };
        let text = |value: Value| match value {
            Value::String(text) => text.into_bytes(),
            Value::Null => Vec::new(),
            other => other.to_string().into_bytes(),
        };
        let row: Parameters = fields.into_iter().map(|(name, value)| (name, text(value))).collect();
        if row.iter().any(|(_, value)| value.contains(&0)) {
            return Err(self.wrong("a NUL character, which no word of a command can hold"));
        }
        if let Some(missing) = self.columns.iter().find(|column| !row.iter().any(|(name, _)| name == *column))
        {
            return Err(self.wrong(&format!("it has no '{missing}', which the first row has")));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &'static str, form: Form) -> Result<Vec<String>> {
        let mut rows = Rows::open(Box::new(text.as_bytes()), form, "list")?;
        let mut all = Vec::new();
        while let Some(row) = rows.next_row()? {
            let shown = row.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
            all.push(shown.collect::<Vec<_>>().join(" "));
        }
        Ok(all)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(Form::of(b"x/A.CSV"), Form::Csv);
        assert_eq!(Form::of(b"x.jsonl"), Form::JsonLines);
        assert_eq!(Form::of(b"-"), Form::Lines);
        assert_eq!(rows("a b\n\nc'\"d", Form::Lines).unwrap(), ["line=a b", "line=", "line=c'\"d"]);
        assert_eq!(
            rows("\u{feff}lr, name\n1,x\n2,\"a,b\"\n", Form::Csv).unwrap(),
            ["lr=1 name=x", "lr=2 name=a,b"]
        );
        let json = "{\"a\":1e-4,\"b\":\"x\\ny\"}\n\n{\"b\":[1],\"a\":null,\"c\":true}\n";
        assert_eq!(rows(json, Form::JsonLines).unwrap(), ["a=0.0001 b=x\ny", "b=[1] a= c=true"]);
        for form in [Form::Lines, Form::Csv, Form::JsonLines] {
            assert!(rows("", form).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_malformed_is_named_with_its_row() {
        for (text, form, said) in [
            ("a,b\n1\n", Form::Csv, "row 1 of list: 1 fields where the first line names 2"),
            ("a,a\n1,2\n", Form::Csv, "row 0 of list: the columns need names of their own ('a')"),
            ("[1]\n", Form::JsonLines, "row 1 of list: it is not JSON object"),
            (
                "{\"a\":1}\n{\"b\":1}\n",
                Form::JsonLines,
                "row 2 of list: it has no 'a', which the first row has",
            ),
            ("a\0b", Form::Lines, "row 1 of list: a NUL byte, which no word of a command can hold"),
        ] {
            assert_eq!(rows(text, form).unwrap_err().to_string(), said);
        }
    }
}
