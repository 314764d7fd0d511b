//! CQL2 JSON.

use super::shape::{Literal, Nest, SHAPES, Spatial};
use super::{Comparison, DEPTH_MAX, Expr, Operator, Schema, name_of, text};
use crate::problem::shortened;
use serde_json::{Map, Value};

pub(super) fn read(text: &str, schema: Schema) -> Result<Expr, String> {
    // What nests a hundred times is refused here already.
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let mut reader = Reader { path: Vec::new(), schema };
    reader.expr(&value).map_err(|why| match reader.path.join(".") {
        path if path.is_empty() => why,
        path => format!("at {path}: {why}"),
    })
}

struct Reader<'a> {
    /// The members that lead to where it stands, also after an error.
    path: Vec<String>,
    schema: Schema<'a>,
}

type Read<T> = Result<T, String>;

impl Reader<'_> {
    /// A member, one level further in.
    fn within<T>(&mut self, member: String, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.path.len() == DEPTH_MAX {
            return Err(format!("no more than {DEPTH_MAX} levels within each other are taken"));
        }
        self.path.push(member);
        let out = read(self)?;
        self.path.pop();
        Ok(out)
    }

    fn expr(&mut self, value: &Value) -> Read<Expr> {
        match value {
            Value::Bool(truth) => Ok(Expr::Truth(*truth)),
            Value::Number(_) => Ok(Expr::Number(number(value)?)),
            Value::String(text) => Ok(Expr::Text(text.clone())),
            Value::Object(members) => self.object(members),
            Value::Null => Err("null compares with nothing: use {\"op\":\"isNull\",\"args\":[…]}".to_owned()),
            Value::Array(_) => Err("a list stands only behind \"in\"".to_owned()),
        }
    }

    fn object(&mut self, members: &Map<String, Value>) -> Read<Expr> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if let Some(operation) = text("op") {
            let Some(args) = members.get("args").and_then(Value::as_array) else {
                return Err(format!("\"{}\" wants \"args\", a list", shortened(operation)));
            };
            return self.operation(operation, args);
        }
        if let Some(name) = text("property") {
            return self.schema.property(name);
        }
        for (name, is_day) in [("date", true), ("timestamp", false)] {
            if let Some(instant) = text(name) {
                return text::instant(instant.to_owned(), is_day);
            }
        }
        if members.contains_key("type") || members.contains_key("bbox") {
            return Ok(Expr::Shape(Box::new(self.shape(members)?)));
        }
        let wanted = "op with args, property, date, timestamp, bbox, or a GeoJSON geometry";
        Err(format!("an object is expected to have {wanted}"))
    }

    fn operation(&mut self, operation: &str, args: &[Value]) -> Read<Expr> {
        let is = |word: &str| operation.eq_ignore_ascii_case(word);
        let schema = self.schema;
        if is("in") {
            let [value, Value::Array(list)] = args else {
                return Err("\"in\" wants two args: a value and a list".to_owned());
            };
            let value = self.within("args[0]".to_owned(), |reader| reader.expr(value))?;
            let list = self.within("args[1]".to_owned(), |reader| reader.each(list, "["))?;
            return Expr::is_in(value, list, schema);
        }
        let args = self.each(args, "args[")?;
        let named = shortened(operation);
        if is("and") || is("or") {
            if args.len() < 2 {
                return Err(format!("\"{named}\" wants two args or more"));
            }
            return Expr::joined(is("and"), args, schema);
        }
        let wants = |number: &str| format!("\"{named}\" wants {number}");
        let one = |args| <[Expr; 1]>::try_from(args).map_err(|_| wants("one arg"));
        let two = |args| <[Expr; 2]>::try_from(args).map_err(|_| wants("two args"));
        if is("not") {
            let [of] = one(args)?;
            return Expr::not(of, schema);
        }
        if is("isNull") {
            let [of] = one(args)?;
            return Ok(Expr::IsNull(Box::new(of)));
        }
        if is("casei") {
            let [of] = one(args)?;
            return Expr::any_case(of, schema);
        }
        if is("like") {
            let [text, pattern] = two(args)?;
            return Expr::like(text, pattern, schema);
        }
        if is("between") {
            let sides = <[Expr; 3]>::try_from(args).map_err(|_| wants("three args"))?;
            return Expr::between(sides, schema);
        }
        if let Some((comparison, _)) = Comparison::ALL.into_iter().find(|(_, sign)| is(sign)) {
            return Expr::compare(comparison, two(args)?, schema);
        }
        if let Some((operator, _)) = Operator::ALL.into_iter().find(|(_, sign)| is(sign)) {
            let [first, second] = two(args)?;
            return Expr::arithmetic(first, operator, second, schema);
        }
        if let Some((spatial, _)) = Spatial::ALL.into_iter().find(|(_, word)| is(word)) {
            return Expr::spatial(spatial, two(args)?, schema);
        }
        let spatial = Spatial::ALL.map(|(spatial, _)| name_of(&spatial, &Spatial::ALL).to_lowercase()).join(", ");
        Err(format!(
            "there is no op \"{named}\": there are and, or, not, =, <>, <, >, <=, >=, like, between, in, isNull, casei, \
             +, -, *, /, %, div, ^, {spatial}"
        ))
    }

    /// All items of a list, each by its place in it.
    fn each(&mut self, items: &[Value], list: &str) -> Read<Vec<Expr>> {
        let mut out = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            out.push(self.within(format!("{list}{i}]"), |reader| reader.expr(item))?);
        }
        Ok(out)
    }

    /// A GeoJSON geometry, or a box.
    fn shape(&mut self, members: &Map<String, Value>) -> Read<Literal> {
        let list = |name: &str| members.get(name).and_then(Value::as_array);
        let Some(name) = members.get("type").and_then(Value::as_str) else {
            let Some(numbers) = list("bbox") else {
                return Err("\"bbox\" wants a list of four numbers, or six".to_owned());
            };
            let numbers: Vec<f64> = numbers.iter().map(number).collect::<Read<_>>()?;
            return Literal::bbox(&numbers, self.schema.coordinates);
        };
        if name == "GeometryCollection" {
            let Some(parts) = list("geometries") else {
                return Err("a GeometryCollection wants \"geometries\", a list".to_owned());
            };
            let mut literals = Vec::with_capacity(parts.len());
            for (i, part) in parts.iter().enumerate() {
                let read = |reader: &mut Self| match part {
                    Value::Object(members) => reader.shape(members),
                    _ => Err("a GeoJSON geometry is expected".to_owned()),
                };
                literals.push(self.within(format!("geometries[{i}]"), read)?);
            }
            return Literal::collection(literals);
        }
        let Some((kind, _)) = SHAPES.into_iter().find(|(_, word)| name.eq_ignore_ascii_case(word)) else {
            let name = shortened(name);
            return Err(format!(
                "\"{name}\" is no GeoJSON geometry: there are Point, LineString, Polygon and Multi… of them"
            ));
        };
        let Some(coordinates) = members.get("coordinates") else {
            return Err(format!("a {name} wants \"coordinates\""));
        };
        Literal::new(kind, nest(coordinates)?, self.schema.coordinates)
    }
}

fn number(value: &Value) -> Read<f64> {
    // Minus zero is zero.
    value.as_f64().map(|number| number + 0.0).ok_or_else(|| "a number is expected".to_owned())
}

/// Coordinates in lists within each other, as deep as serde_json lets them be.
fn nest(value: &Value) -> Read<Nest> {
    let Some(items) = value.as_array() else { return Err("coordinates are lists of numbers".to_owned()) };
    if items.first().is_some_and(Value::is_number) {
        return Ok(Nest::Place(items.iter().map(number).collect::<Read<_>>()?));
    }
    Ok(Nest::List(items.iter().map(nest).collect::<Read<_>>()?))
}
