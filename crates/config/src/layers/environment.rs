//! The environment: a variable per key, and the refusal of every other variable with our prefix.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use super::text_node;
use crate::{
    nearest::nearest,
    origin::Origin,
    problem::Problem,
    program::Program,
    schema::{Key, Schema},
    section::Found,
};

/// The values by key that the variables give.
pub(super) fn read(
    variables: &[(OsString, OsString)],
    schema: &Schema,
    program: &Program,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Found> {
    let own: BTreeMap<String, &Key> = schema
        .keys
        .iter()
        .map(|key| (program.variable(&key.path), key))
        .collect();
    let also: BTreeMap<&str, &Key> = schema
        .keys
        .iter()
        .filter_map(|key| Some((key.also_variable?, key)))
        .collect();
    let (mut found, mut stronger) = (BTreeMap::new(), BTreeMap::new());
    let mut given: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value)))
        .collect();
    given.sort_unstable();
    for (name, value) in given {
        let (layer, key) = match (own.get(name), also.get(name)) {
            (Some(key), _) => (&mut found, key),
            (None, Some(key)) => (&mut stronger, key),
            (None, None) => {
                problems.extend(problem_of(name, value, &own, program));
                continue;
            }
        };
        let Some(text) = value.to_str() else {
            problems.push(Problem::NotUnicode { name: name.to_owned() });
            continue;
        };
        if let Some(node) = text_node(text, &format!("the value of variable {name}"), problems) {
            layer.insert(
                key.path.clone(),
                Found {
                    node,
                    source: Origin::Variable(name.into()),
                },
            );
        }
    }
    found.append(&mut stronger);
    found
}

/// What is wrong with a variable that belongs to no key; none when it is none of ours.
fn problem_of(name: &str, value: &OsStr, own: &BTreeMap<String, &Key>, program: &Program) -> Option<Problem> {
    if let Some(replaced) = crate::replaced::variable(program.replaced, name) {
        let at = Origin::Variable(name.into());
        return Some(Problem::Replaced {
            old: name.to_owned(),
            at,
            instead: replaced.instead,
        });
    }
    let rest = name.strip_prefix(program.prefix)?;
    let is_other = name == program.file_variable() || program.other_variables.iter().any(|other| other.name == name);
    if is_other || is_service_link(rest, value) {
        return None;
    }
    let nearest = nearest(name, own.keys().map(String::as_str)).map(ToOwned::to_owned);
    Some(Problem::UnknownVariable {
        name: name.to_owned(),
        nearest,
    })
}

/// Kubernetes and Docker links describe a service named like the program by variables that begin like ours:
/// `HIEROPHANT_SERVICE_HOST`, `HIEROPHANT_PORT=tcp://…`, `HIEROPHANT_PORT_9000_TCP_ADDR`. Nobody can prevent them, so
/// they are the one exception from refusing what is not known.
fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let is_address = || value.to_str().is_some_and(|value| value.contains("://"));
    let after_port = rest.rsplit_once("PORT_").map(|(_, after)| after);
    let names_a_port = after_port.is_some_and(|after| {
        let mut parts = after.split('_');
        let number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        let protocol = parts.next().is_some_and(|part| ["TCP", "UDP", "SCTP"].contains(&part));
        let rest = parts
            .next()
            .is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part));
        number && protocol && rest && parts.next().is_none()
    });
    names_a_port
        || rest.ends_with("SERVICE_HOST")
        || rest.ends_with("SERVICE_PORT")
        || rest.contains("SERVICE_PORT_")
        || (rest.ends_with("PORT") && is_address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_links_are_passed_over() {
        for (rest, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "9000"),
            ("SERVICE_PORT_GRPC", "9000"),
            ("PORT", "tcp://10.0.0.1:9000"),
            ("PORT_9000_TCP", "tcp://10.0.0.1:9000"),
            ("PORT_9000_TCP_ADDR", "10.0.0.1"),
            ("DASHBOARD_PORT_9000_TCP_PROTO", "tcp"),
        ] {
            assert!(is_service_link(rest, OsStr::new(value)), "{rest}");
        }
        for (rest, value) in [
            ("PORT", "9000"),
            ("HTP_PORT", "9010"),
            ("PORT_X_TCP", "1"),
            ("PORT_9000_TCP_ELSE", "1"),
        ] {
            assert!(!is_service_link(rest, OsStr::new(value)), "{rest}");
        }
    }
}
