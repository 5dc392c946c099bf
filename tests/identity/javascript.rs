//! JavaScript and TypeScript: modules, packages, settings, Plug'n'Play.

use super::project::{Project, both, has};
use std::process::Command;

fn chain(project: &Project) {
    let begin = project.count_in_javascript();
    project.write("main.js", format!("const fs = require('fs');\n{begin}const model = require('./model');\nconsole.log(model.loss());\n"));
    project.write(
        "model.js",
        "const { RATE } = require('./lib/rates');\nexports.loss = function () {\n  return RATE * 2;\n};\n",
    );
    project.write("lib/rates.js", "const RATE = 10;\nmodule.exports = { RATE };\n");
}

#[test]
fn layout_says_nothing_and_a_constant_two_imports_away_is_named() {
    if !has("node") {
        return;
    }
    both(|project| {
        chain(project);
        let call = project.call(["node", "main.js"]);
        call.settles();
        project.write("model.js", "// what it costs\nconst {RATE} = require(\"./lib/rates\")\nexports.loss = function()\n{ return (RATE * 2) /* twice */ }\n");
        project.edit("main.js", "console.log(model.loss());", "console.log(\n  model.loss(), // all\n);");
        call.hits();
        project.edit("lib/rates.js", "10", "200");
        call.runs().because("lib/rates.js changed (constant RATE)");
        project.edit("main.js", "model.loss()", "model.loss(), 1");
        call.runs().because("main.js changed (top level)");
        // A directory or a file that would take precedence.
        project.write("model", "exports.loss = () => 'shadowed';\n");
        call.runs().naming("model");
        project.remove("model");
        call.hits();
    });
}

#[test]
fn modules_by_import_and_inline_code() {
    if !has("node") {
        return;
    }
    both(|project| {
        let begin = project.count_in_javascript();
        project.write("main.mjs", format!("import fs from 'node:fs';\nimport {{ twice }} from './part.mjs';\n{begin}console.log(twice(2));\n"));
        project.write("part.mjs", "export const twice = (x) => x * 2;\nexport function unused() {}\n");
        let call = project.call(["node", "main.mjs"]);
        call.settles();
        project.edit("part.mjs", "(x) => x * 2", "x => x*2 /* twice */");
        call.hits();
        project.edit("part.mjs", "x*2", "x*3");
        call.runs().because("part.mjs changed (function twice)");
        let inline =
            |code: &str| project.call(["node", "-e", &format!("const fs = require('fs');\n{begin}{code}")]);
        inline("console.log(1)").settles();
        // A program can read its inline code.
        inline("console.log( 1 ) // one").runs();
        inline("console.log(2)").runs();
    });
}

fn install(project: &Project, name: &str, version: &str, code: &str, dependencies: &str) {
    project.write(
        format!("node_modules/{name}/package.json"),
        format!("{{\"name\": \"{name}\", \"version\": \"{version}\", \"dependencies\": {{{dependencies}}}}}"),
    );
    project.write(format!("node_modules/{name}/index.js"), code);
}

#[test]
fn an_upgraded_package_is_named_with_both_versions() {
    if !has("node") {
        return;
    }
    both(|project| {
        let begin = project.count_in_javascript();
        install(project, "thing", "1.0.0", "module.exports = 1 + require('part');\n", "\"part\": \"*\"");
        install(project, "part", "0.1.0", "module.exports = 5;\n", "");
        install(project, "other", "1.0.0", "", "");
        project
            .write("main.js", format!("const fs = require('fs');\n{begin}console.log(require('thing'));\n"));
        project.write("package.json", "{\"name\": \"app\"}");
        let call = project.call(["node", "main.js"]);
        call.settles();
        install(project, "other", "2.0.0", "throw 1", "");
        call.hits();
        install(project, "part", "0.2.0", "module.exports = 50;\n", "");
        call.runs().naming("part 0.1.0 → 0.2.0");
        install(project, "thing", "2.0.0", "module.exports = 'second';\n", "");
        let told = call.runs();
        told.naming("thing 1.0.0 → 2.0.0");
        told.naming("part 0.2.0 is gone");
        project.write("package.json", "{\"name\": \"app\", \"type\": \"module\"}");
        // With it the script is a module, which has no `require`.
        let (told, _) = call.make();
        assert!(told.reasons().iter().any(|reason| reason.contains("package.json")), "{told:?}");
    });
}

#[test]
fn variables_and_preloads_count() {
    if !has("node") {
        return;
    }
    both(|project| {
        let begin = project.count_in_javascript();
        project.write("main.js", format!("const fs = require('fs');\n{begin}const {{ LR }} = process.env;\nconsole.log(LR, global.MARK);\n"));
        project.write("setup.js", "global.MARK = 1;\n").write("other.js", "global.MARK = 2;\n");
        let call = project.call(["node", "main.js"]);
        call.settles();
        call.clone().env("LR", "0.1").runs().because("LR set");
        call.clone().env("NODE_OPTIONS", "--require ./setup.js").runs().naming("NODE_OPTIONS set");
        call.clone().env("NODE_OPTIONS", "--require ./other.js").runs().naming("NODE_OPTIONS set");
        project.edit("setup.js", "= 1", "= 'one'");
        call.clone().env("NODE_OPTIONS", "--require ./setup.js").runs().naming("setup.js changed");
        let preloaded = project.call(["node", "-r", "./setup.js", "main.js"]);
        preloaded.settles();
        project.edit("setup.js", "'one'", "'three'");
        preloaded.runs().naming("setup.js changed");
    });
}

#[test]
fn typescript_counts_without_layout() {
    both(|project| {
        // A minimal runner that strips the types, as the real ones do.
        let runner = format!(
            "#!/bin/sh\n{}sed 's/: number//g' \"$1\"\nsed 's/: number//g' part.ts\n",
            project.count_in_shell()
        );
        project.program("bin/tsx", &runner);
        project.write("main.ts", "import { twice } from './part';\nconsole.log(twice(2));\n");
        project.write("part.ts", "export function twice(x: number): number {\n  return x * 2;\n}\n");
        let call = project.call(["tsx", "main.ts"]).on_path("bin");
        call.settles();
        project.edit("part.ts", "x * 2", "x * 3");
        call.runs().because("part.ts changed (function twice)");
        project.edit("part.ts", "x * 3", "x * 2");
        call.hits();
    });
}

#[test]
fn typescript_in_node_itself() {
    let strips = has("node")
        && Command::new("node")
            .args(["-p", "process.features.typescript || ''"])
            .output()
            .is_ok_and(|output| output.stdout.starts_with(b"strip"));
    if !strips {
        println!("SKIPPED: this node does not take types away");
        return;
    }
    both(|project| {
        let begin = project.count_in_javascript();
        project.write("main.ts", format!("import fs from 'node:fs';\nimport {{ twice }} from './part.ts';\n{begin}console.log(twice(2));\n"));
        project.write("part.ts", "export function twice(x: number): number {\n  return x * 2;\n}\n");
        let call = project.call(["node", "main.ts"]);
        call.settles();
        project.edit("part.ts", "return x * 2;", "return (x * 2) // twice");
        call.hits();
        project.edit("part.ts", "x * 2", "x * 3");
        call.runs().because("part.ts changed (function twice)");
    });
}

/// A small version of the file that Yarn writes for `node -r ./.pnp.cjs`: a table of locations, and a hook that
/// resolves names by it.
fn plug_and_play(version: &str) -> String {
    format!(
        "const table = {{ thing: './.yarn/cache/thing-npm-{version}/index.js' }};\nconst Module = require('module');\nconst usual = Module._resolveFilename;\nModule._resolveFilename = function (name, ...rest) {{\n  return name in table ? require('path').resolve(__dirname, table[name]) : usual.call(this, name, ...rest);\n}};\n"
    )
}

#[test]
fn packages_by_plug_and_play_count_with_its_table() {
    if !has("node") {
        return;
    }
    both(|project| {
        let begin = project.count_in_javascript();
        project
            .write("main.js", format!("const fs = require('fs');\n{begin}console.log(require('thing'));\n"));
        project.write(".yarn/cache/thing-npm-1.0.0/index.js", "module.exports = 1;\n");
        project.write(".yarn/cache/thing-npm-2.0.0/index.js", "module.exports = 'second';\n");
        project.write(".pnp.cjs", plug_and_play("1.0.0"));
        let pnp = format!("--require {}", project.path(".pnp.cjs").display());
        let by_option = project.call(["node", "-r", "./.pnp.cjs", "main.js"]);
        let by_variable = project.call(["node", "main.js"]).env("NODE_OPTIONS", pnp);
        by_option.settles();
        by_variable.settles();
        project.write(".pnp.cjs", plug_and_play("2.0.0"));
        by_option.runs().naming(".pnp.cjs changed");
        by_variable.runs().naming(".pnp.cjs changed");
    });
}
