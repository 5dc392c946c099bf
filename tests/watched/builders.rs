//! Tools that list directories for their input and do not take their own output for it.

use crate::twin::{Call, Twin, settle};

/// A package that is called as sphinx is: it lists the project, and writes what it found.
const CODE: &str = "import os\nnames = sorted(name for name in os.listdir('.') if name[:1] not in '._')\nif os.path.exists('conf.py'):\n    exec(compile(open('conf.py').read(), 'conf.py', 'exec'))\nos.makedirs('_build', exist_ok=True)\nwith open('_build/index', 'w') as out:\n    out.write(' '.join(name for name in names if name.endswith('.rst')))\n";

fn package(name: &str) -> Twin {
    let twin = Twin::new();
    twin.write(&format!("lib/site-packages/{name}/__init__.py"), "");
    twin.write(&format!("lib/site-packages/{name}/__main__.py"), CODE);
    twin.write("a.rst", "a\n");
    settle();
    twin
}

fn call<'a>(twin: &'a Twin, name: &str, rest: &str) -> Call<'a> {
    twin.sh(&format!("PYTHONPATH=lib/site-packages python3 -m {name}{rest}"))
}

#[test]
fn what_a_builder_made_is_no_input_of_it() {
    let twin = package("sphinx");
    let build = call(&twin, "sphinx", "");
    build.runs();
    build.hits_on_its_own_output();
    twin.write("b.rst", "b\n");
    build.runs();
    build.hits_on_its_own_output();
    // Of any other package that is not known.
    let twin = package("unknown");
    let build = call(&twin, "unknown", "");
    build.runs();
    build.runs();
    build.hits_on_its_own_output();
}

#[test]
fn what_another_program_made_after_the_listing_is_input_of_a_builder() {
    let twin = package("sphinx");
    let build = call(&twin, "sphinx", "; touch c.rst");
    build.runs();
    build.runs();
    build.hits_on_its_own_output();
}

#[test]
fn code_of_the_project_in_the_process_of_a_builder_finds_what_it_made() {
    let twin = package("sphinx");
    twin.write("conf.py", "import os\nprint(sorted(n for n in os.listdir('.') if n[0] == '_'))\n");
    let build = call(&twin, "sphinx", "");
    build.runs();
    build.runs();
    build.hits_on_its_own_output();
}
