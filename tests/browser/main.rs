//! Pages in a real browser: `report` and `graph --html`, opened from disk. Without Chromium each test says that it was skipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a test that looks beyond what is there has failed")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

mod chromium;
#[path = "../commands/support.rs"]
#[expect(dead_code, reason = "other crates of tests use more of it")]
mod support;

use chromium::Chromium;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;
use support::{HOUR, Run, SECOND, Sandbox, recorded};

/// A path that lives as long as the tests do.
fn path(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

const BEFORE: &str = "import sys\n\ndef rate(step):\n    return 0.1\n\nprint(rate(1))\n";
const AFTER: &str = "import sys\n\ndef rate(step):\n    return 0.1 / step\n\nprint(rate(1))\n";

/// A run of a sweep: each third one of a model fails in the first half.
fn trained(place: u32) -> Run {
    let (model, rate) = (["linear", "trees"][place as usize % 2], f64::from(place / 2 % 10 + 1) / 10.0);
    let out = format!("out/{place}");
    let line =
        format!("python3 train.py --model {model} --rate {rate} --seed {place} --epochs 4 --out {out}");
    let accuracy = 0.5 + f64::from(place * 7 % 60) / 200.0;
    let ago = HOUR - SECOND * i64::from(place);
    let losses: Vec<String> =
        (1..=4).map(|epoch| format!("{epoch},{}\n", 2.0 / f64::from(epoch + place % 5))).collect();
    let source = if place < 30 { BEFORE } else { AFTER };
    Run::new(&line, ago)
        .source("train.py", source, source)
        .reading("data/clean.csv", "1,2\n")
        .printing(&format!("step 1 gain 0.{place}\nstep 2 gain 0.9\naccuracy: {accuracy}\n"))
        .writing(
            path(format!("{out}/metrics.json")),
            format!("{{\"accuracy\": {accuracy}}}").as_bytes(),
            0o644,
        )
        .writing(
            path(format!("{out}/curve.csv")),
            format!("epoch,loss\n{}", losses.concat()).as_bytes(),
            0o644,
        )
        .writing(path(format!("{out}/plot.svg")), SVG.as_bytes(), 0o644)
        .tagged("sweep", "first")
}

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\"><rect width=\"40\" height=\"40\" fill=\"teal\"/></svg>";

/// A sandbox with a sweep, and the page about it.
fn sweep(runs: u32) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let store = sandbox.store();
    Run::new("python3 clean.py data/raw.csv", 2 * HOUR)
        .writing("data/clean.csv", b"1,2\n", 0o644)
        .record(&store);
    for place in 0..runs {
        trained(place).record(&store);
    }
    drop(store);
    let page = report(&sandbox, &["train.py"]);
    (sandbox, page)
}

fn report(sandbox: &Sandbox, selection: &[&str]) -> PathBuf {
    let page = sandbox.path("report.html");
    let words = [&["report"], selection, &["-o", page.to_str().unwrap()]].concat();
    assert_eq!(sandbox.run(&words).ok(), "");
    page
}

impl Chromium {
    /// Opens a report, and waits until it stands.
    #[track_caller]
    fn open_report(&mut self, page: &std::path::Path) {
        self.open(page);
        self.until("document.documentElement.dataset.ready === 'yes'");
    }

    fn marks(&mut self, chart: &str) -> Value {
        self.value(&format!("Number(document.getElementById('{chart}').dataset.marks)"))
    }

    /// Texts of the column of this title, of the rows in sight.
    fn column(&mut self, title: &str) -> Vec<String> {
        let script = format!(
            "(() => {{ const heads = [...document.querySelectorAll('#heads th')].map((head) => head.textContent.split(' ▼')[0].split(' ▲')[0]); \
             const place = heads.indexOf({title}); \
             return [...document.querySelectorAll('#rows tr[data-run]')].map((row) => row.children[place].textContent); }})()",
            title = json!(title)
        );
        serde_json::from_value(self.value(&script)).unwrap()
    }

    fn sort_by(&mut self, title: &str) {
        let script = format!(
            "[...document.querySelectorAll('#heads button')].find((button) => button.title === {}).click()",
            json!(title)
        );
        self.value(&script);
    }

    fn filter(&mut self, text: &str, rows: u32) {
        let script = format!(
            "(() => {{ const box = document.getElementById('filter'); box.value = {}; box.dispatchEvent(new Event('input')); }})()",
            json!(text)
        );
        self.value(&script);
        self.until(&format!("document.getElementById('table-box').dataset.rows === '{rows}'"));
    }

    /// Nothing went wrong, and nothing but the page was asked for.
    #[track_caller]
    fn is_quiet(&self) {
        assert_eq!(self.problems(), Vec::<String>::new());
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(requests.iter().all(|address| address.starts_with("file:///")), "{requests:?}");
    }
}

#[test]
fn a_report_is_sorted_filtered_drawn_and_compared() {
    let Some(mut browser) = Chromium::start("a_report_is_sorted_filtered_drawn_and_compared") else { return };
    let (_sandbox, page) = sweep(60);
    browser.open_report(&page);
    assert_eq!(browser.value("document.title"), "train.py");
    let totals = browser.value("document.getElementById('totals').textContent");
    assert_eq!(totals, "60 runs · 60 ok · ran for 12 min 20 s · no hits yet");
    assert_eq!(browser.value("document.getElementById('constant').textContent"), "same in all: epochs=4");
    for chart in ["scatter", "parallel", "curves"] {
        browser.until(&format!("document.getElementById('{chart}').dataset.marks === '60'"));
    }
    // Something is drawn, and not only counted.
    let drawn = "[...document.querySelectorAll('#scatter canvas, #parallel canvas, #curves canvas')].every((canvas) => \
         canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte !== 0))";
    assert_eq!(browser.value(drawn), true);
    browser.sort_by("accuracy");
    let sorted: Vec<f64> = browser.column("accuracy").iter().map(|text| text.parse().unwrap()).collect();
    assert!(sorted.len() > 10 && sorted.is_sorted_by(|one, other| one >= other), "{sorted:?}");
    assert_eq!(browser.value("document.querySelectorAll('#heads [aria-sort=descending]').length"), 1);
    browser.sort_by("rate");
    let sorted: Vec<f64> = browser.column("rate").iter().map(|text| text.parse().unwrap()).collect();
    assert!(sorted.is_sorted(), "{sorted:?}");
    for (filter, rows) in [
        ("model=trees", 30),
        ("model=trees rate<=0.5", 15),
        ("accuracy>=0.7", 20),
        ("state!=ok", 0),
        ("nothing-such", 0),
        ("", 60),
    ] {
        browser.filter(filter, rows);
        assert_eq!(browser.marks("scatter"), rows, "{filter}");
        assert_eq!(browser.marks("curves"), rows, "{filter}");
    }
    assert_eq!(
        browser.value(
            "[...document.getElementById('curve').options].map((option) => option.textContent).join()"
        ),
        "loss,gain"
    );
    // Two runs whose code differs.
    browser.value("pick(runOf.size - 1); pick(0)");
    let compared = browser.value("document.getElementById('compare').innerText");
    let compared = compared.as_str().unwrap();
    for wanted in ["rate", "accuracy", "train.py", "- \u{20}   return 0.1", "+ \u{20}   return 0.1 / step"] {
        assert!(compared.contains(wanted), "{wanted}: {compared}");
    }
    browser.value("document.querySelector('#rows tr[data-run]').click()");
    browser.until("document.querySelector('#details img').naturalWidth === 40");
    assert_eq!(
        browser.value("document.querySelector('#details pre').textContent.startsWith('step 1 gain')"),
        true
    );
    // More than forty runs: functions are drawn.
    assert_eq!(browser.value("document.querySelectorAll('#origin .node').length"), 2);
    browser.prefer("dark");
    browser.until("getComputedStyle(document.body).backgroundColor === 'rgb(13, 17, 23)'");
    browser.is_quiet();
}

/// Markup and scripts wherever a run can bring text into a page.
const HOSTILE: &str = "</script></title></style><script>window.ran=1</script><img src=x onerror=window.ran=1><svg onload=window.ran=1>";

#[test]
fn what_a_run_says_is_text_on_a_page() {
    let Some(mut browser) = Chromium::start("what_a_run_says_is_text_on_a_page") else { return };
    let sandbox = Sandbox::new();
    let bare = HOSTILE.replace([' ', '/'], "");
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" onload=\"top.ran=1\"><script>top.ran=1</script>\
         <image href=\"http://127.0.0.1:9/x.png\"/><foreignObject><img src=\"http://127.0.0.1:9/y.png\"/></foreignObject></svg>";
    for place in 0..3 {
        let mut run = Run::new("python3 train.py", HOUR * (4 - place));
        run.words.extend([format!("--{bare}={HOSTILE}"), format!("--n={place}")].map(String::into_bytes));
        if place > 0 {
            run = run.reading(path(format!("made/{bare}.csv")), &format!("{}", place - 1));
        }
        sandbox.record(
            &run.printing(&format!("{HOSTILE}\nloss<b>: 0.{place}\n{{\"{bare}\": 0.{place}}}\n"))
                .tagged(&format!("param.{HOSTILE}"), HOSTILE)
                .source("train.py", path(format!("# {HOSTILE}{place}\n")), &place.to_string())
                .writing(path(format!("made/{bare}.csv")), format!("{place}").as_bytes(), 0o644)
                .writing(
                    path(format!("{bare}{place}.csv")),
                    format!("step,{HOSTILE}\n1,2\n2,{place}\n").as_bytes(),
                    0o644,
                )
                .writing(path(format!("{bare}{place}.svg")), svg.as_bytes(), 0o644)
                .writing(
                    path(format!("{bare}{place}.json")),
                    format!("{{\"{bare}\": {place}.5}}").as_bytes(),
                    0o644,
                ),
        );
    }
    sandbox.record(&Run::new("python3 train.py --n=9", HOUR / 2).failed(1, &format!("{HOSTILE}\n")));
    let page = report(&sandbox, &["train.py"]);
    browser.open_report(&page);
    browser.value("pick(0); pick(2)");
    for run in 0..4 {
        browser.value(&format!("showRun({run})"));
    }
    browser.value("showRun(1)");
    browser.until("document.querySelector('#details img').naturalWidth === 9");
    browser.filter("script", 4);
    for select in ["scatter-x", "scatter-y", "colour", "curve"] {
        let script = format!(
            "(() => {{ const box = document.getElementById('{select}'); for (const option of box.options) {{ box.value = option.value; \
             box.dispatchEvent(new Event('change')); }} }})()"
        );
        browser.value(&script);
    }
    assert_eq!(browser.value("window.ran === undefined"), true);
    // All of it is there, as text.
    let shown = browser.value("document.getElementById('details').textContent");
    assert!(shown.as_str().unwrap().contains(HOSTILE), "{shown}");
    assert_eq!(
        browser.value(
            "document.querySelectorAll('main script, main svg:not(.cashet-graph), main img[src=x]').length"
        ),
        0
    );
    browser.is_quiet();
    for words in [&["graph", "--html", "@{2}"][..], &["graph", "--svg", "@{2}"]] {
        let name = if words[1] == "--html" { "graph.html" } else { "graph.svg" };
        let page = sandbox.path(name);
        std::fs::write(&page, sandbox.run(words).ok()).unwrap();
        browser.open(&page);
        assert_eq!(browser.value("document.querySelectorAll('.node').length"), 3, "{name}");
        assert_eq!(browser.value("window.ran === undefined"), true);
    }
    assert_eq!(browser.problems(), Vec::<String>::new());
    let requests = browser.requests();
    assert!(requests.iter().all(|address| address.starts_with("file://")), "{requests:?}");
}

/// 1,500 runs, or as many as `CASHET_TEST_COMMITS` says; then the printed times are meaningful.
#[test]
fn thousands_of_runs_are_on_a_page() {
    let Some(mut browser) = Chromium::start("thousands_of_runs_are_on_a_page") else { return };
    let asked = std::env::var("CASHET_TEST_COMMITS").ok().and_then(|number| number.parse().ok());
    let count: u32 = asked.unwrap_or(1500);
    let begun = Instant::now();
    let (_sandbox, page) = sweep(count);
    let made = begun.elapsed().as_secs();
    let size = std::fs::metadata(&page).unwrap().len();
    // Of 5,000 runs less than 10 MB; the libraries and what runs share are in it too.
    let most = 10_000_000 * u64::from(count.max(1000)) / 5000;
    assert!(size < most, "{size} bytes for {count} runs");
    let begun = Instant::now();
    browser.open_report(&page);
    println!(
        "{count} runs: recorded and written in {made} s, {size} bytes, opened in {} ms",
        begun.elapsed().as_millis()
    );
    browser.until(&format!("document.getElementById('scatter').dataset.marks === '{count}'"));
    assert_eq!(browser.marks("parallel"), count);
    // Only rows in sight are made, wherever one looks.
    let rows = "document.querySelectorAll('#rows tr[data-run]').length";
    assert!(browser.value(rows).as_u64().unwrap() < 100);
    browser.sort_by("seed");
    browser.value("document.getElementById('table-box').scrollTop = 1e7");
    let last = (count - 1).to_string();
    browser
        .until(&format!("document.getElementById('rows').lastElementChild.textContent.includes('{last}')"));
    assert_eq!(browser.column("seed").last(), Some(&last));
    assert!(browser.value(rows).as_u64().unwrap() < 100);
    browser.filter("model=trees", count / 2);
    browser.is_quiet();
}

#[test]
fn the_graph_of_a_result_is_a_page() {
    let Some(mut browser) = Chromium::start("the_graph_of_a_result_is_a_page") else { return };
    let (sandbox, _) = recorded();
    let page = sandbox.path("graph.html");
    std::fs::write(&page, sandbox.run(&["graph", "--html", "@"]).ok()).unwrap();
    browser.open(&page);
    let json = sandbox.run(&["graph", "--json", "@"]).json();
    let nodes = json[0]["nodes"].as_array().unwrap().len();
    assert_eq!(browser.value("document.querySelectorAll('.node').length"), nodes);
    // No two boxes meet.
    let meet = "(() => { const boxes = [...document.querySelectorAll('.node rect')].map((box) => box.getBoundingClientRect()); \
         return boxes.some((one, place) => boxes.slice(0, place).some((other) => one.left < other.right && other.left < one.right \
         && one.top < other.bottom && other.top < one.bottom)); })()";
    assert_eq!(browser.value(meet), false);
    browser.is_quiet();
}

/// Writes the pictures of the documents again from a page, where `CASHET_REPORT_PAGE` names one.
#[test]
fn pictures_for_the_documents() {
    let Some(page) = std::env::var_os("CASHET_REPORT_PAGE") else { return };
    let Some(mut browser) = Chromium::start("pictures_for_the_documents") else { return };
    browser.resize(1180, 1360);
    browser.open_report(&std::fs::canonicalize(page).unwrap());
    browser.sort_by("accuracy");
    browser.value("for (const name of ['run', 'compare']) document.getElementById(name).hidden = true; document.getElementById('table-box').style.maxHeight = '15rem'; window.dispatchEvent(new Event('resize'))");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let back = if scheme == "dark" { "rgb(13, 17, 23)" } else { "rgb(255, 255, 255)" };
        browser.until(&format!("getComputedStyle(document.body).backgroundColor === '{back}'"));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/report-{scheme}.png"));
        std::fs::write(path, decoded(&browser.picture())).unwrap();
    }
}

/// The bytes of base64.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits =
            (0..4).fold(0_u32, |bits, place| bits << 6 | u32::from(group.get(place).copied().unwrap_or(0)));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
