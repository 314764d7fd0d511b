//! Answers as pages for people: what the JSON says, as lists and tables with links that can be followed.

use serde_json::{Map, Value};
use std::fmt::Write;

/// A page of a JSON answer; `lang` is that of its own few words.
pub(crate) fn page(title: &str, value: &Value) -> Vec<u8> {
    let mut out = String::from(HEAD);
    _ = writeln!(out, "<title>{0}</title></head><body><h1>{0}</h1>", escaped(title));
    write_value(&mut out, value);
    out.push_str("</body></html>\n");
    out.into_bytes()
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>\
    body{font:15px/1.5 system-ui,sans-serif;margin:1.5em;color:#222}\
    table{border-collapse:collapse;margin:.4em 0}th,td{border:1px solid #ccc;padding:.15em .5em;text-align:left;vertical-align:top}\
    th{background:#f3f3f3;font-weight:600}a{color:#0b5394}</style>";

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Object(members) if members.get("href").is_some_and(Value::is_string) => write_link(out, members),
        Value::Object(members) if members.get("type").is_some_and(|t| t == "FeatureCollection") => {
            let others: Map<String, Value> =
                members.iter().filter(|(name, _)| *name != "features").map(|(n, v)| (n.clone(), v.clone())).collect();
            write_members(out, &others);
            let none = Vec::new();
            write_features(out, members["features"].as_array().unwrap_or(&none));
        }
        Value::Object(members) => write_members(out, members),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let texts: Vec<String> = items.iter().map(plain).collect();
            out.push_str(&escaped(&texts.join(", ")));
        }
        Value::Array(items) => {
            out.push_str("<ul>");
            for item in items {
                out.push_str("<li>");
                write_value(out, item);
                out.push_str("</li>\n");
            }
            out.push_str("</ul>");
        }
        other => out.push_str(&escaped(&plain(other))),
    }
}

fn write_link(out: &mut String, link: &Map<String, Value>) {
    let text = |name: &str| link.get(name).and_then(Value::as_str).unwrap_or_default();
    let (href, title) = (text("href"), text("title"));
    let title = if title.is_empty() { href } else { title };
    // Nothing but addresses that lead somewhere.
    if href.starts_with("http://") || href.starts_with("https://") || href.starts_with('/') {
        _ = write!(out, "<a href=\"{}\" rel=\"{}\">{}</a>", escaped(href), escaped(text("rel")), escaped(title));
    } else {
        out.push_str(&escaped(title));
    }
    _ = write!(out, " <small>{} {}</small>", escaped(text("rel")), escaped(text("type")));
}

fn write_members(out: &mut String, members: &Map<String, Value>) {
    out.push_str("<table>");
    for (name, value) in members.iter().filter(|(name, _)| *name != "geometry") {
        _ = write!(out, "<tr><th>{}</th><td>", escaped(name));
        write_value(out, value);
        out.push_str("</td></tr>\n");
    }
    out.push_str("</table>");
}

/// Features as a table: a column for each property that any of them has.
fn write_features(out: &mut String, features: &[Value]) {
    let mut columns: Vec<&str> = Vec::new();
    for name in features.iter().filter_map(|f| f["properties"].as_object()).flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    out.push_str("<table><tr>");
    for name in &columns {
        _ = write!(out, "<th>{}</th>", escaped(name));
    }
    out.push_str("</tr>\n");
    for feature in features {
        out.push_str("<tr>");
        for name in &columns {
            out.push_str("<td>");
            write_value(out, &feature["properties"][*name]);
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>");
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_that_a_table_holds_becomes_markup() {
        let hostile = "</td><script>alert(1)</script>\"'&";
        let value = json!({
            "type": "FeatureCollection",
            "links": [{"rel": hostile, "href": "javascript:alert(1)", "title": hostile}, {"rel": "next", "href": "http://x/?a=1&b=\"", "title": "Next"}],
            "features": [{"properties": {hostile: hostile, "n": null, "deep": [{"x": hostile}]}}],
        });
        let page = String::from_utf8(page(hostile, &value)).unwrap();
        assert!(!page.contains("<script") && !page.contains("href=\"javascript"), "{page}");
        assert!(page.contains("<a href=\"http://x/?a=1&amp;b=&quot;\" rel=\"next\">Next</a>"), "{page}");
        assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
    }
}
