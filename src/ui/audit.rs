//! What a command did, as `audit` lists it: on standard error, since standard output is the command's.

use super::escape;
use super::json::{self, Object};
use super::message;
use crate::exec::Access;
use crate::memo::Audit;
use crate::record::{Base, Observation, Places, StoredPath};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Shows what was seen, and the options that would declare it.
pub fn show(audit: &Audit, places: &Places, json: bool) {
    if json {
        message::raw(&format!("{}\n", Value::from(object(audit, places))));
        return;
    }
    for (path, access) in &audit.trace.accesses {
        message::status(&format!("{:<22} {}", kinds(*access).join(" "), shown(path, places)));
    }
    for program in &audit.trace.programs {
        message::status(&format!("{:<22} {}", "started", shown(program, places)));
    }
    match &audit.verdict {
        Ok(_) => message::status(&format!("declares it: {}", options(audit).join(" "))),
        Err(reason) => message::status(&format!("would not be cached: {}", reason.detail())),
    }
}

fn shown(path: &Path, places: &Places) -> String {
    escape::line(places.store(path).shown().as_os_str().as_bytes()).into_owned()
}

/// What was done with a path, in words.
fn kinds(access: Access) -> Vec<&'static str> {
    let words = [
        (access.executed, "executed"),
        (access.read && !access.executed, "read"),
        (access.listed, "listed"),
        (access.changed, "wrote"),
        (access.looked || access.looked_at_link || (access.opened && !access.listed), "looked at"),
        (access.absent, "not found"),
    ];
    words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect()
}

/// The options of `exec` that would declare what was seen inside the root, and the variables.
fn options(audit: &Audit) -> Vec<String> {
    let Ok((observations, outputs)) = &audit.verdict else { return Vec::new() };
    let inside = |path: &StoredPath| path.base() == Base::Root;
    let mut options = Vec::new();
    for observation in observations {
        match observation {
            Observation::Content { path, .. } if inside(path) => {
                options.push(format!("-i {}", escape::word(path.rest())));
            }
            Observation::Variable { name, .. } => options.push(format!("-e {}", escape::word(name))),
            _ => {}
        }
    }
    options.extend(outputs.iter().map(|path| format!("-o {}", escape::word(path))));
    options
}

fn object(audit: &Audit, places: &Places) -> Object {
    let paths = audit.trace.accesses.iter().map(|(path, access)| {
        let kinds: Value = kinds(*access).into();
        Value::from(Object::part().with("path", json::path(&places.store(path))).with("kinds", kinds))
    });
    let programs = audit.trace.programs.iter().map(|path| json::path(&places.store(path)));
    let object = Object::whole()
        .with("exit", json::termination(audit.termination))
        .with("paths", paths.collect::<Value>())
        .with("programs", programs.collect::<Value>())
        .with("declares", Value::from(options(audit)));
    match &audit.verdict {
        Ok((_, outputs)) => {
            let outputs = outputs
                .iter()
                .map(|path| json::path(&places.store(&places.root.join(OsStr::from_bytes(path)))));
            object.with("kept", true).with("outputs", outputs.collect::<Value>())
        }
        Err(reason) => object
            .with("kept", false)
            .with("not_kept", Object::part().with("reason", reason.code()).with("detail", reason.detail())),
    }
}
