//! Parsing the words of a call: launchers, first lines, shims, invalid calls.

use super::*;

#[test]
fn invalid_calls_are_reported_before_the_run() {
    let sandbox = Sandbox::new();
    sandbox.write("plain", "no program");
    let fails = |request: &Request| capture(request, &sandbox.memory).unwrap_err();
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = sandbox.request(&["true"]);
        change(&mut request);
        fails(&request)
    };
    for error in [
        with(&|request| request.inputs = vec!["absent".into()]),
        with(&|request| request.inputs = vec!["*.absent".into()]),
        with(&|request| request.inputs = vec!["".into()]),
        with(&|request| request.outputs = vec!["../x".into()]),
        with(&|request| request.tools = vec!["no-such-tool".into()]),
    ] {
        assert_eq!(error.exec_status(), 125, "{error}");
        assert_eq!(error.command_status(), 2, "{error}");
    }
    assert_eq!(fails(&sandbox.request(&["no-such-program"])).exec_status(), 127);
    assert_eq!(fails(&sandbox.request(&["./absent"])).exec_status(), 127);
    assert_eq!(fails(&sandbox.request(&["./plain"])).exec_status(), 126);
    assert_eq!(fails(&sandbox.request(&["/"])).exec_status(), 126);
    assert_eq!(fails(&sandbox.request(&[""])).exec_status(), 127);
    assert_eq!(program(&sandbox.request(&["no-such-program"])).unwrap_err().exec_status(), 127);
    assert_eq!(program(&sandbox.request(&["true"])).unwrap().path.file_name().unwrap(), "true");
}

#[test]
fn scripts_are_found_behind_launchers_and_first_lines() {
    let sandbox = Sandbox::new();
    let script = sandbox.executable("s.sh", "#!/usr/bin/env -S sh -e\necho a\n");
    let moved = sandbox.executable("d/t.sh", "#!/bin/sh\necho b\n");
    for (line, expected, language, direct) in [
        (&["./s.sh", "x"][..], &script, LanguageKind::Shell, true),
        (&["sh", "s.sh"], &script, LanguageKind::Shell, false),
        (&["env", "A=1", "nice", "-n", "1", "sh", "-e", "s.sh"], &script, LanguageKind::Shell, false),
        (&["timeout", "5", "./s.sh"], &script, LanguageKind::Shell, true),
        (&["env", "-C", "d", "sh", "t.sh"], &moved, LanguageKind::Shell, false),
    ] {
        let captured = sandbox.capture(&sandbox.request(line));
        let entry = &captured.command.entry;
        assert_eq!((&entry.what, entry.language), (&What::Script(expected.clone()), language), "{line:?}");
        assert_eq!(entry.executed_directly, direct, "{line:?}");
        let stored = sandbox.request(line).places.store(expected);
        assert!(captured.manifest.get(&Part::Source(stored)).is_some(), "{line:?}");
        assert!(captured.sources.iter().any(|source| source.absolute == *expected), "{line:?}");
    }
    let captured = sandbox.capture(&sandbox.request(&["sh", "-c", "echo a"]));
    assert_eq!(captured.function, b"-c");
    assert_eq!(captured.sources[0].bytes, b"echo a");
}

#[test]
fn a_shim_is_followed_to_what_it_starts() {
    let mut sandbox = Sandbox::new();
    let root = sandbox.path("home/.pyenv");
    let shim = format!(
        "#!/usr/bin/env bash\nprogram=\"${{0##*/}}\"\nexec \"{}/libexec/pyenv\" exec \"$program\" \"$@\"\n",
        root.display()
    );
    sandbox.executable("home/.pyenv/shims/python3", &shim);
    for version in ["3.11.7", "3.12.1", "3.12.10"] {
        sandbox.executable(&format!("home/.pyenv/versions/{version}/bin/python3"), &format!("\0{version}"));
    }
    sandbox.write("home/.pyenv/version", "3.11.7\n");
    sandbox.write("s.py", "print(1)\n");
    sandbox.environment =
        vec![("PATH".into(), format!("{}:/usr/bin:/bin", root.join("shims").display()).into())];
    let real = |sandbox: &Sandbox| {
        let request = sandbox.request(&["python3", "s.py"]);
        let captured = sandbox.capture(&request);
        assert_eq!(captured.program, root.join("shims/python3"));
        assert_eq!(sandbox.recall(&request), Some(captured.key));
        captured.behind_shim.map(|path| path.strip_prefix(&root).unwrap_or(&path).to_path_buf())
    };
    let versions = |version: &str| Some(PathBuf::from(format!("versions/{version}/bin/python3")));
    assert_eq!(real(&sandbox), versions("3.11.7"));
    sandbox.write(".python-version", "# ours\n3.12.1\n");
    assert_eq!(sandbox.recall(&sandbox.request(&["python3", "s.py"])), None);
    assert_eq!(real(&sandbox), versions("3.12.1"));
    sandbox.write(".python-version", "3.12");
    assert_eq!(real(&sandbox), versions("3.12.10"));
    sandbox.environment.push(("PYENV_VERSION".into(), "3.11.7".into()));
    assert_eq!(real(&sandbox), versions("3.11.7"));
    sandbox.environment.pop();
    sandbox.write(".python-version", "no-such:system");
    assert_eq!(real(&sandbox), None);
}

#[test]
fn programs_of_the_moment_and_descriptors_by_path_are_told() {
    let sandbox = Sandbox::new();
    sandbox.executable("date", "#!/bin/sh\necho fixed\n");
    let volatile = |line: &[&str]| sandbox.capture(&sandbox.request(line)).volatile;
    assert_eq!(volatile(&["date"]).as_deref(), Some("date"));
    assert_eq!(volatile(&["env", "TZ=UTC", "date"]).as_deref(), Some("date"));
    assert_eq!(volatile(&["./date"]), None);
    assert_eq!(volatile(&["cat", "date"]), None);
    let sensitive = sandbox.capture(&sandbox.request(&["cat", "/dev/fd/63"])).sensitive;
    assert_eq!(sensitive, Some("/dev/fd/63".into()));
    assert!(sandbox.capture(&sandbox.request(&["ls", "-l"])).shows_times);
    assert!(sandbox.capture(&sandbox.request(&["env"])).whole_environment);
    assert!(!sandbox.capture(&sandbox.request(&["env", "true"])).whole_environment);
}

/// The program that the first word of a call finally leads to, below `place`.
fn behind(sandbox: &Sandbox, line: &[&str], place: &Path) -> Option<PathBuf> {
    let request = sandbox.request(line);
    let captured = sandbox.capture(&request);
    assert_eq!(sandbox.recall(&request), Some(captured.key), "{line:?}");
    captured.behind_shim.map(|path| path.strip_prefix(place).unwrap_or(&path).to_path_buf())
}

#[test]
fn asdf_mise_and_volta_are_followed() {
    let mut sandbox = Sandbox::new();
    let home = sandbox.path("home");
    let shim = "#!/usr/bin/env bash\n# asdf-plugin: python 3.11.7\nexec asdf exec \"python\" \"$@\"\n";
    sandbox.executable("home/.asdf/shims/python", shim);
    for name in [
        ".asdf/installs/python/3.11.7/bin/python",
        ".asdf/installs/python/3.12.1/bin/python",
        "share/mise/bin/mise",
        "share/mise/installs/node/20/bin/node",
        "share/mise/installs/node/22.1.0/bin/node",
        ".volta/bin/volta-shim",
        ".volta/tools/image/node/18.1.0/bin/node",
        ".volta/tools/image/node/20.1.0/bin/node",
    ] {
        sandbox.executable(&format!("home/{name}"), &format!("\0{name}"));
    }
    fs::create_dir_all(home.join("share/mise/shims")).unwrap();
    symlink("../bin/mise", home.join("share/mise/shims/node")).unwrap();
    symlink("volta-shim", home.join(".volta/bin/node")).unwrap();
    let with_path = |sandbox: &mut Sandbox, place: &str| {
        let path = format!("{}:/usr/bin:/bin", home.join(place).display());
        sandbox.environment = vec![("PATH".into(), path.into()), ("HOME".into(), home.clone().into())];
    };

    with_path(&mut sandbox, ".asdf/shims");
    let asdf = home.join(".asdf/installs/python");
    assert_eq!(behind(&sandbox, &["python", "-V"], &asdf), None, "no version is set");
    sandbox.write("home/.tool-versions", "ruby 3.3\npython 3.11.7\n");
    assert_eq!(behind(&sandbox, &["python", "-V"], &asdf), Some("3.11.7/bin/python".into()));
    sandbox.write(".tool-versions", "python 9.9 3.12.1\n");
    assert_eq!(behind(&sandbox, &["python", "-V"], &asdf), Some("3.12.1/bin/python".into()));
    sandbox.environment.push(("ASDF_PYTHON_VERSION".into(), "3.11.7".into()));
    assert_eq!(behind(&sandbox, &["python", "-V"], &asdf), Some("3.11.7/bin/python".into()));

    with_path(&mut sandbox, "share/mise/shims");
    let mise = home.join("share/mise/installs/node");
    sandbox.write("home/.config/mise/config.toml", "[tools]\nnode = \"20\"\n");
    assert_eq!(behind(&sandbox, &["node", "-v"], &mise), Some("20/bin/node".into()));
    sandbox.write("mise.toml", "[tools]\nnode = { version = \"22.1.0\" }\n");
    assert_eq!(behind(&sandbox, &["node", "-v"], &mise), Some("22.1.0/bin/node".into()));

    with_path(&mut sandbox, ".volta/bin");
    let volta = home.join(".volta/tools/image/node");
    sandbox.write("home/.volta/tools/user/platform.json", r#"{"node": {"runtime": "18.1.0", "npm": null}}"#);
    assert_eq!(behind(&sandbox, &["node", "-v"], &volta), Some("18.1.0/bin/node".into()));
    sandbox.write("package.json", r#"{"volta": {"node": "20.1.0"}}"#);
    assert_eq!(behind(&sandbox, &["node", "-v"], &volta), Some("20.1.0/bin/node".into()));
}

#[test]
fn launchers_bring_their_settings_and_their_own_programs() {
    let mut sandbox = Sandbox::new();
    sandbox.executable("bin/uv", "\0uv");
    sandbox.executable("bin/npx", "\0npx");
    sandbox.executable(".venv/bin/python", "\0python");
    sandbox.write(".venv/pyvenv.cfg", "home = /usr/bin\n");
    sandbox.executable("node_modules/.bin/tool", "\0tool");
    sandbox.write("uv.lock", "one");
    sandbox.write("package-lock.json", "{}");
    sandbox.write("s.py", "print(1)\n");
    sandbox.environment =
        vec![("PATH".into(), format!("{}:/usr/bin:/bin", sandbox.path("bin").display()).into())];

    let uv = sandbox.request(&["uv", "run", "--quiet", "s.py", "x"]);
    let captured = sandbox.capture(&uv);
    assert_eq!(captured.program, sandbox.path("bin/uv"));
    assert_eq!(captured.command.entry.what, What::Script(sandbox.path("s.py")));
    assert_eq!(captured.command.entry.interpreter, Some(sandbox.path(".venv/bin/python")));
    for setting in ["uv.lock", ".venv/pyvenv.cfg"] {
        assert!(captured.manifest.get(&Part::Setting(StoredPath::in_root(setting))).is_some(), "{setting}");
    }
    sandbox.write("uv.lock", "two");
    assert_eq!(sandbox.recall(&uv), None);
    assert_ne!(sandbox.key(&uv), captured.key);

    let npx = sandbox.capture(&sandbox.request(&["npx", "tool", "x"]));
    let programs: Vec<&PathBuf> = npx.command.steps.iter().map(|step| &step.program).collect();
    assert_eq!(programs, [&sandbox.path("bin/npx"), &sandbox.path("node_modules/.bin/tool")]);
    assert!(npx.manifest.get(&Part::Setting(StoredPath::in_root("package-lock.json"))).is_some());
    assert!(npx.manifest.get(&Part::Program(1)).is_some());
}
