//! Programs in Python.

use super::*;

#[test]
fn local_modules_are_found_recursively_and_in_cycles() {
    let mut project = Project::python();
    project
        .write("project/main.py", "import json, helper, sys\nfrom package import part\nimport space.inner\n");
    project.write("project/helper.py", "import main, deep.er\n");
    project.write("project/deep/__init__.py", "from . import other, missing\n");
    project.write("project/deep/er.py", "from .third import x\nfrom ..helper import y\n");
    project.write("project/deep/other.py", "");
    project.write("project/deep/third.py", "");
    project.write("project/package/__init__.py", "from .all import *\n");
    project.write("project/package/part.py", "");
    project.write("project/package/all/__init__.py", "__all__ = ['one']");
    project.write("project/package/all/one.py", "");
    project.write("project/space/inner.py", "");
    project.write("project/unused.py", "");
    let expected = [
        "project/deep/__init__.py",
        "project/deep/er.py",
        "project/deep/other.py",
        "project/deep/third.py",
        "project/helper.py",
        "project/main.py",
        "project/package/__init__.py",
        "project/package/all/__init__.py",
        "project/package/all/one.py",
        "project/package/part.py",
        "project/space/inner.py",
    ];
    assert_eq!(project.sources(), expected);
}

#[test]
fn layout_of_a_module_does_not_count_but_its_code_does() {
    let mut project = Project::python();
    project.write("project/main.py", "import helper\n");
    project.write("project/helper.py", "import last\n");
    project.write("project/last.py", "X = 1\n");
    let before = project.function();
    project.write("project/last.py", "# a comment\nX=1\n");
    assert_eq!(digests(&project.function()), digests(&before));
    project.exact_source = true;
    assert_ne!(digests(&project.function()), digests(&before));
    project.exact_source = false;
    project.write("project/last.py", "X = 2\n");
    assert_ne!(digests(&project.function()), digests(&before));
}

#[test]
fn a_file_that_would_shadow_an_import_is_looked_for() {
    let mut project = Project::python();
    project.write("project/main.py", "import random, time\n");
    let function = project.function();
    assert_eq!(function.sources.len(), 1);
    assert!(function.shadows.contains(&project.path("project/random.py")));
    assert!(function.shadows.contains(&project.path("project/random/__init__.py")));
    assert!(!function.shadows.contains(&project.path("project/time.py")), "built in");
    assert!(project.world.looked.contains(&project.path("project/random.so")));
    project.write("project/random.py", "");
    assert!(project.function().shadows.contains(&project.path("project/random/__init__.py")));
    assert_eq!(project.sources(), ["project/main.py", "project/random.py"]);
}

#[test]
fn a_directory_of_the_same_name_is_not_a_module_before_the_library() {
    let mut project = Project::python();
    project.write("project/main.py", "import json\n");
    project.write("project/json/data.txt", "");
    assert_eq!(project.sources(), ["project/main.py"]);
    project.write("project/json/__init__.py", "");
    assert_eq!(project.sources(), ["project/json/__init__.py", "project/main.py"]);
}

#[test]
fn options_and_variables_decide_the_search_path() {
    let mut project = Project::python();
    project.write("project/main.py", "import helper\n");
    project.write("project/helper.py", "");
    project.write("extra/helper.py", "");
    assert_eq!(project.sources(), ["project/helper.py", "project/main.py"]);
    project.entry.options = vec!["-I".into()];
    assert_eq!(project.sources(), ["project/main.py"]);
    project.entry.options = vec!["-uP".into()];
    let extra = project.path("extra").into_os_string();
    project.world.variables.insert("PYTHONPATH".into(), extra.clone());
    assert_eq!(project.sources(), ["extra/helper.py", "project/main.py"]);
    project.entry.options = vec!["-E".into(), "-P".into()];
    assert_eq!(project.sources(), ["project/main.py"]);
    project.entry.options = vec!["-P".into()];
    project.entry.clears_environment = true;
    assert_eq!(project.sources(), ["project/main.py"]);
    project.entry.overlay = vec![("PYTHONPATH".into(), Some(extra))];
    assert_eq!(project.sources(), ["extra/helper.py", "project/main.py"]);
    project.entry.options = vec!["-W".into(), "-WI".into(), "-X".into(), "dev".into()];
    assert_eq!(project.sources(), ["project/helper.py", "project/main.py"]);
}

#[test]
fn a_linked_script_searches_beside_its_target() {
    let mut project = Project::python();
    project.write("project/real/main.py", "import helper\n");
    project.write("project/real/helper.py", "");
    project.write("project/helper.py", "");
    symlink("real/main.py", project.path("project/main.py")).unwrap();
    assert_eq!(project.sources(), ["project/main.py", "project/real/helper.py"]);
}

#[test]
fn modules_and_inline_code_search_the_working_directory() {
    let mut project = Project::python();
    project.write("project/package/__init__.py", "import helper\n");
    project.write("project/package/__main__.py", "from . import part\n");
    project.write("project/package/part.py", "");
    project.write("project/helper.py", "");
    project.entry.what = What::Module("package".into());
    let expected = [
        "project/helper.py",
        "project/package/__init__.py",
        "project/package/__main__.py",
        "project/package/part.py",
    ];
    assert_eq!(project.sources(), expected);
    assert!(!project.function().computed_imports);
    project.entry.what = What::Inline { code: b"import helper # note".to_vec(), word: 2 };
    assert_eq!(project.sources(), ["project/helper.py", "-c"]);
    let before = project.function();
    project.entry.what = What::Inline { code: b"import  helper".to_vec(), word: 2 };
    let after = project.function();
    assert_ne!(after.sources.last().unwrap().raw, before.sources.last().unwrap().raw);
    // A program can read its inline code.
    assert_ne!(after.sources.last().unwrap().digest, before.sources.last().unwrap().digest);
    project.entry.what = What::Module("unittest".into());
    assert!(project.function().computed_imports);
}

#[test]
fn installed_packages_count_by_version_with_what_they_require() {
    let mut project = Project::python();
    project.write("project/main.py", "import numpy\nimport yaml\n");
    project.install(SITE, "numpy", "1.26.4", "numpy", &["Base-Lib (>=1) ; python_version > '3'", "absent"]);
    project.install(SITE, "base.lib", "2.0", "base", &["numpy"]);
    project.install(SITE, "PyYAML", "6.0", "yaml", &[]);
    project.install(SITE, "unrelated", "1.0", "unrelated", &[]);
    assert_eq!(project.packages(), ["base-lib 2.0", "numpy 1.26.4", "pyyaml 6.0"]);
    assert_eq!(project.sources(), ["project/main.py"]);
    // Its code mentions `inspect`, which affects only the package.
    assert_ne!(project.function().sources.first().unwrap().form, "raw");
    let record = format!("{SITE}/PyYAML-6.0.dist-info");
    project.write(&format!("{record}/direct_url.json"), "{\"url\": \"file:///a\"}");
    let direct = project.packages();
    assert_ne!(direct.last().unwrap(), "pyyaml 6.0");
    project.write(&format!("{record}/RECORD"), "yaml/__init__.py,sha256=y,1\n");
    assert_ne!(project.packages(), direct, "built anew under the same version");
}

#[test]
fn what_no_distribution_owns_is_local() {
    let mut project = Project::python();
    project.write("project/main.py", "import loose\n");
    project.write(&format!("{SITE}/loose.py"), "X = 1\n");
    let expected = ["project/main.py".to_owned(), format!("{SITE}/loose.py")];
    assert_eq!(project.sources(), expected);
}

#[test]
fn namespace_packages_belong_to_the_distribution_that_owns_the_part() {
    let mut project = Project::python();
    project.write("project/main.py", "from google.cloud import storage\n");
    project.install(SITE, "google-storage", "1.0", "google/cloud/storage", &[]);
    project.install(SITE, "google-query", "2.0", "google/cloud/query", &[]);
    assert_eq!(project.packages(), ["google-storage 1.0"]);
}

#[test]
fn a_virtual_environment_has_its_own_packages() {
    let mut project = Project::python();
    project.write("project/main.py", "import numpy\n");
    project.install(SITE, "numpy", "1.0", "numpy", &[]);
    let home = project.path("python/bin");
    let settings = format!("home = {}\nversion = 3.11.7\n", home.display());
    project.write("venv/pyvenv.cfg", &settings);
    fs::create_dir_all(project.path("venv/bin")).unwrap();
    symlink(home.join("python3"), project.path("venv/bin/python")).unwrap();
    project.install("venv/lib/python3.11/site-packages", "numpy", "2.0", "numpy", &[]);
    project.entry.interpreter = Some(project.path("venv/bin/python"));
    assert_eq!(project.packages(), ["numpy 2.0"]);
    assert_eq!(project.function().settings, [project.path("venv/pyvenv.cfg")]);
    fs::remove_dir_all(project.path("venv/lib")).unwrap();
    assert_eq!(project.packages(), [""; 0]);
    project.write("venv/pyvenv.cfg", &format!("{settings}include-system-site-packages = true\n"));
    assert_eq!(project.packages(), ["numpy 1.0"]);
}

#[test]
fn editable_installs_are_local() {
    let mut project = Project::python();
    project.write("project/main.py", "import by_path, by_finder.part\n");
    project.write("src/by_path/__init__.py", "");
    project.write("other/by_finder/__init__.py", "");
    project.write("other/by_finder/part.py", "");
    let source = project.path("src");
    project.write(&format!("{SITE}/by_path.pth"), &format!("{}\n", source.display()));
    let line = "import __editable___x_finder; __editable___x_finder.install()";
    project.write(&format!("{SITE}/__editable__.x.pth"), line);
    let finder = format!(
        "MAPPING: dict[str, str] = {{'by_finder': '{}'}}\n",
        project.path("other/by_finder").display()
    );
    project.write(&format!("{SITE}/__editable___x_finder.py"), &finder);
    let expected = [
        "other/by_finder/__init__.py",
        "other/by_finder/part.py",
        "project/main.py",
        "src/by_path/__init__.py",
    ];
    assert_eq!(project.sources(), expected);
    assert!(project.function().settings.is_empty());
    project.write(&format!("{SITE}/start.pth"), "import os; os.environ['X'] = '1'\n");
    assert_eq!(project.function().settings, [project.path(&format!("{SITE}/start.pth"))]);
}

#[test]
fn what_python_imports_at_its_start_counts() {
    let mut project = Project::python();
    project.write("project/main.py", "");
    project.write("extra/sitecustomize.py", "import hook\n");
    project.write("extra/hook.py", "");
    let extra = project.path("extra").into_os_string();
    project.world.variables.insert("PYTHONPATH".into(), extra);
    assert_eq!(project.sources(), ["extra/hook.py", "extra/sitecustomize.py", "project/main.py"]);
}

#[test]
fn extension_modules_count_by_their_bytes() {
    let mut project = Project::python();
    project.write("project/main.py", "import fast\n");
    project.write("project/fast.cpython-311-x86_64-linux-gnu.so", "ELF");
    project.write("project/fast.py", "");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(project.sources(), ["project/fast.cpython-311-x86_64-linux-gnu.so", "project/main.py"]);
        assert_eq!(project.function().sources.first().unwrap().form, "raw");
    }
}

#[test]
fn docstrings_are_decided_over_the_whole_function() {
    let mut project = Project::python();
    let forms = |project: &mut Project| {
        let function = project.function();
        function.sources.into_iter().map(|source| source.form).collect::<Vec<_>>()
    };
    let digest = |project: &mut Project| project.function().sources.last().unwrap().digest;
    project.write("project/helper.py", "'''One.'''\nX = 1\n");
    project.write("project/main.py", "'''One.'''\nimport helper, json, numpy\n");
    project.install(SITE, "numpy", "1.0", "numpy", &[]);
    let before = digest(&mut project);
    project.write("project/main.py", "'''Two.'''\nimport helper, json, numpy\n");
    assert_eq!(digest(&mut project), before);
    assert!(forms(&mut project).iter().all(|form| form.ends_with("without docstrings")));
    for reader in ["import unittest", "print(helper.__doc__)", "import unknown"] {
        project.write("project/helper.py", &format!("'''One.'''\n{reader}\n"));
        assert!(forms(&mut project).iter().all(|form| !form.ends_with("without docstrings")), "{reader}");
    }
    project.write("project/helper.py", "import inspect\n");
    assert_eq!(forms(&mut project), ["raw", "raw"]);
}

#[test]
fn comments_that_act_count_in_the_entry_alone() {
    let mut project = Project::python();
    project.entry.executed_directly = true;
    project.write("project/main.py", "#!/usr/bin/python3\nx = 1\n");
    let before = project.function();
    project.write("project/main.py", "#!/usr/bin/python3 -O\n# more\nx = 1\n");
    let after = project.function();
    assert_ne!(before.sources.first().unwrap().digest, after.sources.first().unwrap().digest);
    project.entry.executed_directly = false;
    let before = project.function();
    project.write("project/main.py", "x = 1\n");
    assert_eq!(before.sources.first().unwrap().digest, project.function().sources.first().unwrap().digest);
}

#[test]
fn what_the_environment_is_asked_for_is_gathered() {
    let mut project = Project::python();
    project.write("project/main.py", "import helper, os\nos.environ['B']\n");
    project.write("project/helper.py", "import os\nos.getenv('A')\nos.listdir('.')\n");
    let function = project.function();
    assert_eq!(function.variables, [b"A".to_vec(), b"B".to_vec()]);
    assert!(!function.whole_environment);
    assert!(function.lists_directories);
}
