//! What a job asks of its machine. Never part of a key.

use std::ffi::OsString;

/// Resources as they are written on the command line or in the settings; the engine gives them their meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `--gpus`
    pub gpus: Option<String>,
    /// `--cpus`
    pub cpus: Option<String>,
    /// `--mem`
    pub mem: Option<String>,
    /// `--time`
    pub time: Option<String>,
    /// `--partition`
    pub partition: Option<String>,
    /// Variables that the call sets: the job has them in its environment, and they are written nowhere.
    pub variables: Vec<(OsString, OsString)>,
    /// `--sbatch`: options for the engine's own command, as typed.
    pub options: Vec<String>,
}

impl Resources {
    /// Those with a name, in a fixed order.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("gpus", self.gpus.as_deref()),
            ("cpus", self.cpus.as_deref()),
            ("mem", self.mem.as_deref()),
            ("time", self.time.as_deref()),
            ("partition", self.partition.as_deref()),
        ]
    }
}
