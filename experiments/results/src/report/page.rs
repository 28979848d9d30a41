//! What all pages are made of: one file each that needs nothing else, with the style, the chart library and the data in it.

const STYLES: [&str; 2] = [include_str!("vendor/uPlot.min.css"), include_str!("page/style.css")];
/// Before a page's own scripts.
const SHARED: [&str; 3] = [include_str!("vendor/uPlot.iife.min.js"), include_str!("page/figures.js"), include_str!("page/draw.js")];
/// At the top of each page.
const HEADER: &str = include_str!("page/header.html");
const LICENCE: &str = include_str!("vendor/uPlot.LICENSE");

/// A template with the page's scripts and data put in: `{{header}}`, `{{licence}}`, `{{styles}}`, `{{scripts}}`, and what `data` names.
///
/// # Panics
/// The template names what is not there.
pub(super) fn fill(template: &str, scripts: &[&str], data: &[(&str, String)]) -> String {
    // In one pass, so that nothing which the data hold is taken for a place to fill.
    let mut page = String::with_capacity(template.len() + data.iter().map(|(_, text)| text.len()).sum::<usize>() + 200_000);
    for (index, part) in template.split("{{").enumerate() {
        let (name, rest) = if index == 0 { ("", part) } else { part.split_once("}}").expect("the template closes its braces") };
        match name {
            "" => {}
            "header" => page += HEADER,
            "licence" => page += LICENCE,
            "styles" => STYLES.iter().for_each(|style| page += style),
            "scripts" => SHARED.iter().chain(scripts).for_each(|script| {
                page += script;
                page.push('\n');
            }),
            name => page += data.iter().find(|(known, _)| *known == name).map(|(_, text)| text).expect("the template names what there is"),
        }
        page += rest;
    }
    page
}

/// JSON that cannot end the script element that holds it, nor open a comment in it.
pub(super) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}
