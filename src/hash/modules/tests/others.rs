//! Programs in JavaScript, TypeScript, shell and other languages.

use super::*;

/// A project that is about to run this script.
fn program(language: LanguageKind, script: &str) -> Project {
    let mut project = Project::python();
    project.entry.language = language;
    project.entry.what = What::Script(project.path(script));
    project
}

fn node() -> Project {
    let mut project = program(LanguageKind::JavaScript, "project/main.js");
    project.entry.interpreter = Some(PathBuf::from("/usr/bin/node"));
    project
}

fn install_node(project: &Project, path: &str, version: &str, dependencies: &str) {
    let name = path.rsplit("node_modules/").next().unwrap();
    let text =
        format!("{{\"name\": \"{name}\", \"version\": \"{version}\", \"dependencies\": {{{dependencies}}}}}");
    project.write(&format!("{path}/package.json"), &text);
    project.write(&format!("{path}/index.js"), "");
}

#[test]
fn modules_of_javascript_are_found() {
    let mut project = node();
    project.write(
        "project/main.js",
        "const a = require('./a'); import('./lib/b.mjs'); require('fs'); require('node:os')",
    );
    project.write("project/a.js", "require('./lib'); require('./data.json'); require('./main')");
    project.write("project/lib/index.js", "require('../absent')");
    project.write("project/lib/b.mjs", "export * from '../c.js'");
    project.write("project/c.js", "");
    project.write("project/data.json", "{}");
    project.write("project/package.json", "{\"type\": \"commonjs\"}");
    let expected = [
        "project/a.js",
        "project/c.js",
        "project/data.json",
        "project/lib/b.mjs",
        "project/lib/index.js",
        "project/main.js",
    ];
    assert_eq!(project.sources(), expected);
    let function = project.function();
    assert!(!function.computed_imports);
    assert!(function.shadows.contains(&project.path("project/a")), "{:?}", function.shadows);
    assert!(function.shadows.contains(&project.path("project/absent.js")));
    assert_eq!(function.settings, [project.path("project/package.json")]);
    project.write("project/lib/index.js", "/* more */\nrequire( '../absent' )\n");
    assert_eq!(digests(&project.function()), digests(&function));
    project.write("project/lib/index.js", "require('../absent2')");
    assert_ne!(digests(&project.function()), digests(&function));
    project.write("project/a", "");
    assert_ne!(project.sources(), expected);
}

#[test]
fn node_packages_count_by_version_with_their_dependencies() {
    let mut project = node();
    project.write("project/main.js", "require('one'); require('@s/two/deep')");
    install_node(&project, "project/node_modules/one", "1.0.0", "\"three\": \"*\", \"absent\": \"*\"");
    install_node(&project, "project/node_modules/@s/two", "2.0.0", "\"three\": \"*\"");
    project.write("project/node_modules/@s/two/deep.js", "require('four')");
    install_node(&project, "project/node_modules/@s/two/node_modules/three", "3.1.0", "");
    install_node(&project, "project/node_modules/three", "3.0.0", "");
    install_node(&project, "project/node_modules/unrelated", "1.0.0", "");
    assert_eq!(project.packages(), ["@s/two 2.0.0", "one 1.0.0", "three 3.0.0, 3.1.0"]);
    assert_eq!(project.sources(), ["project/main.js"]);
}

#[test]
fn linked_workspaces_are_local() {
    let mut project = node();
    project.write("project/main.js", "require('own')");
    project.write(
        "project/packages/own/package.json",
        "{\"name\": \"own\", \"version\": \"1.0.0\", \"main\": \"m.js\"}",
    );
    project.write("project/packages/own/m.js", "");
    fs::create_dir_all(project.path("project/node_modules")).unwrap();
    symlink("../packages/own", project.path("project/node_modules/own")).unwrap();
    assert_eq!(project.sources(), ["project/main.js", "project/packages/own/m.js"]);
    assert_eq!(project.packages(), [""; 0]);
}

#[test]
fn typescript_resolves_as_its_compiler_does() {
    let mut project = program(LanguageKind::TypeScript, "project/main.ts");
    project.entry.interpreter = Some(PathBuf::from("/usr/bin/tsx"));
    project.write("project/main.ts", "import { a } from './a.js'; import b from '@/b'; let c: string");
    project.write("project/a.ts", "");
    project.write("project/src/b.ts", "");
    project.write(
        "project/tsconfig.json",
        "{\"compilerOptions\": {\"baseUrl\": \".\", \"paths\": {\"@/*\": [\"src/*\"]}}}",
    );
    assert_eq!(project.sources(), ["project/a.ts", "project/main.ts", "project/src/b.ts"]);
    let function = project.function();
    assert_eq!(function.settings, [project.path("project/tsconfig.json")]);
    assert!(function.sources.iter().all(|source| source.form.starts_with("typescript")));
}

#[test]
fn what_is_preloaded_or_fetched_is_seen() {
    let mut project = node();
    project.write("project/main.js", "1");
    project.write("project/setup.js", "");
    project.entry.options = vec!["-r".into(), "./setup.js".into()];
    assert_eq!(project.sources(), ["project/main.js", "project/setup.js"]);
    project.entry.options = vec!["--import=./setup.js".into()];
    assert_eq!(project.sources(), ["project/main.js", "project/setup.js"]);
    project.write("project/main.js", "import('https://example.org/a.js')");
    assert!(project.function().computed_imports);
    project.entry.options = Vec::new();
    project.entry.what = What::Inline { code: b"require('./setup')".to_vec(), word: 2 };
    assert_eq!(project.sources(), ["project/setup.js", "-c"]);
}

#[test]
fn sourced_files_of_a_shell_script_are_found() {
    let mut project = program(LanguageKind::Shell, "project/bin/run.sh");
    project.entry.interpreter = Some(project.path("bin/bash"));
    project.write(
        "project/bin/run.sh",
        "# note\n. \"$(dirname \"$0\")/../lib/a.sh\"\n. ./c.sh\nsource d.sh\necho $X\n",
    );
    project.write("project/lib/a.sh", "source \"${BASH_SOURCE%/*}/b.sh\"\n. ./absent.sh\n");
    project.write("project/lib/b.sh", ". ./c.sh\n");
    project.write("project/c.sh", "");
    project.write("path/d.sh", "");
    let path = project.path("path").into_os_string();
    project.world.variables.insert("PATH".into(), path);
    let expected = [
        "path/d.sh",
        "project/bin/../lib/a.sh",
        "project/bin/../lib/b.sh",
        "project/bin/run.sh",
        "project/c.sh",
    ];
    assert_eq!(project.sources(), expected);
    let before = project.function();
    assert!(before.shadows.contains(&project.path("project/absent.sh")));
    assert!(before.variables.contains(&b"X".to_vec()));
    project.write("project/lib/b.sh", "# more\n. ./c.sh\n");
    assert_eq!(digests(&project.function()), digests(&before));
    project.entry.options = vec!["-ev".into()];
    assert!(project.function().sources.iter().all(|source| source.form == "raw"));
}

#[test]
fn literal_files_of_other_languages_are_found() {
    let mut project = program(LanguageKind::Ruby, "project/bin/run.rb");
    project.write("project/bin/run.rb", "require_relative '../lib/a'\nrequire './b'\nENV['X']\n");
    project.write("project/lib/a.rb", "require_relative 'c'\n");
    project.write("project/lib/c.rb", "");
    project.write("project/b.rb", "");
    let expected =
        ["project/b.rb", "project/bin/../lib/a.rb", "project/bin/../lib/c.rb", "project/bin/run.rb"];
    assert_eq!(project.sources(), expected);
    let function = project.function();
    assert!(function.sources.iter().all(|source| source.form == "raw" && source.digest == source.raw));
    assert!(function.shadows.contains(&project.path("project/b")));
    assert_eq!(function.variables, [b"X".to_vec()]);
    project.entry.language = LanguageKind::Other;
    assert_eq!(project.sources(), ["project/bin/run.rb"]);
    assert!(project.function().computed_imports);
}

#[test]
fn an_executable_has_no_sources() {
    let mut project = Project::python();
    project.entry.language = LanguageKind::Executable;
    project.entry.what = What::Program;
    assert_eq!(project.function(), Function::default());
}

#[test]
fn what_governs_a_linked_script_has_one_spelling() {
    let mut project = program(LanguageKind::JavaScript, "project/node_modules/.bin/tool");
    project.entry.interpreter = Some(PathBuf::from("/usr/bin/node"));
    project.write("project/node_modules/tool/bin/tool.js", "");
    project.write("project/node_modules/tool/package.json", "{}");
    fs::create_dir_all(project.path("project/node_modules/.bin")).unwrap();
    symlink("../tool/./bin/tool.js", project.path("project/node_modules/.bin/tool")).unwrap();
    assert_eq!(project.function().settings, [project.path("project/node_modules/tool/package.json")]);
    // Through a directory that is a link the way up is another one.
    symlink("../elsewhere/bin", project.path("project/node_modules/.linked")).unwrap();
    project.write("project/elsewhere/bin/deep/x", "");
    project.write("project/elsewhere/main.js", "");
    project.write("project/elsewhere/package.json", "{}");
    symlink("../.linked/../main.js", project.path("project/node_modules/.bin/other")).unwrap();
    project.entry.what = What::Script(project.path("project/node_modules/.bin/other"));
    assert_eq!(project.function().settings, [project.path("project/elsewhere/package.json")]);
}
