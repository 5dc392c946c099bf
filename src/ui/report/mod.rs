//! The report: an HTML page about runs that needs no server and no network.
//!
//! The data are JSON without `<`, in an element that is not executed. Markup is escaped. A content security policy in the page allows
//! only the page's own two scripts and no requests. The nonce of these scripts is the digest of the page's content, so that text of
//! a run cannot contain it.

use super::drawing::{self, escaped};
use crate::digest::Digest;
use serde_json::Value as Json;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("report.css");
const SCRIPTS: [&str; 5] = [
    include_str!("data.js"),
    include_str!("table.js"),
    include_str!("charts.js"),
    include_str!("runs.js"),
    include_str!("main.js"),
];
const PLOT: &str = include_str!("uplot/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("uplot/uPlot.min.css");
const PLOT_LICENCE: &str = include_str!("uplot/LICENSE");

/// Number of digits of the nonce.
const NONCE: usize = 32;

/// Content of the page.
pub struct Report<'a> {
    /// Title of the page.
    pub title: &'a str,
    /// The data for the scripts.
    pub data: &'a Json,
    /// A drawing from [`drawing::inside`], or an empty string.
    pub graph: &'a str,
    /// The program and the time that created the page.
    pub footer: &'a str,
}

impl Report<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn page(&self) -> String {
        let data = in_element(&self.data.to_string());
        let nonce = Digest::of(format!("{data}\0{}\0{}", self.graph, self.title).as_bytes()).to_hex();
        let nonce = nonce.get(..NONCE).unwrap_or(&nonce).to_owned();
        let style = [PLOT_STYLE, "\n", drawing::style(), "\n", STYLE].concat();
        filled(&|name| match name {
            "nonce" => nonce.clone(),
            "title" => escaped(self.title),
            "style" => style.clone(),
            "graph" => self.graph.to_owned(),
            "footer" => escaped(self.footer),
            "data" => data.clone(),
            "licence" => PLOT_LICENCE.to_owned(),
            "plot" => PLOT.to_owned(),
            "script" => SCRIPTS.concat(),
            _ => String::new(),
        })
    }
}

/// Replaces each `<!--@name-->` in the template. Inserted text is not searched again.
fn filled(of: &dyn Fn(&str) -> String) -> String {
    let mut page = String::new();
    let mut parts = PAGE.split("<!--@");
    page.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once("-->").unwrap_or((part, ""));
        page.push_str(&of(name));
        page.push_str(rest);
    }
    page
}

/// Escapes JSON for an HTML element: `<`, `>` and `&`, which occur only in strings, and the two line ends of JavaScript that JSON
/// does not have.
fn in_element(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_in_a_page_is_text() {
        let hostile = "</script><script>alert(1)</script><!--@plot-->\u{2028}&amp;";
        let data = json!({ "text": hostile });
        let page = Report { title: hostile, data: &data, graph: "", footer: hostile }.page();
        assert_eq!(page.matches("<script").count(), 3);
        assert_eq!(page.matches("</script").count(), 3);
        let (_, text) = page.split_once("id=\"data\">").unwrap();
        let read: Json = serde_json::from_str(text.split_once("</script").unwrap().0).unwrap();
        assert_eq!(read, data);
        assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("default-src 'none'"));
    }

    #[test]
    fn scripts_do_not_end_their_element_and_make_no_markup() {
        for script in SCRIPTS.into_iter().chain([PLOT, PLOT_LICENCE]) {
            assert!(!script.contains("</script") && !script.contains("<!--"));
        }
        let own = SCRIPTS.concat();
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "fetch(",
        ] {
            assert!(!own.contains(way), "{way}");
        }
        assert!(!STYLE.contains("url("));
    }
}
