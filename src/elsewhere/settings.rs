//! The engine that settings name.

use super::engine::Engine;
use super::launcher::Launcher;
use super::resources::Resources;
use super::slurm::Slurm;
use crate::error::{Error, Result};
use crate::project::ExecutorSettings;
use std::path::{Path, PathBuf};

/// The engine of an executor. `program` is this program.
///
/// # Errors
/// [`crate::error::Kind::Usage`] for settings that make no sense.
pub fn engine(
    name: &str,
    settings: &ExecutorSettings,
    resources: Resources,
    program: &Path,
) -> Result<Box<dyn Engine>> {
    let program = settings.cashet.as_ref().map_or_else(|| program.to_path_buf(), PathBuf::from);
    match settings.kind.as_str() {
        "slurm" => {
            let unused = ["submit", "status", "cancel"].into_iter().zip([
                &settings.submit,
                &settings.status,
                &settings.cancel,
            ]);
            if let Some((field, _)) = unused.into_iter().find(|(_, value)| value.is_some()) {
                return Err(Error::usage(format!(
                    "cashet.toml: {field} in [executors.{name}] is for kind = \"launcher\""
                )));
            }
            Ok(Box::new(Slurm::new(program, resources)))
        }
        "launcher" => Ok(Box::new(Launcher::new(name, settings, &resources, program)?)),
        other => {
            let wrong = format!(
                "cashet.toml: kind = \"{other}\" in [executors.{name}] is neither slurm, launcher nor reapi"
            );
            Err(Error::usage(wrong).with_hint("kind = \"launcher\" takes any command in submit"))
        }
    }
}
