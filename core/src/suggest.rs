//! Suggestions for a misspelt name.

/// Returns ``; did you mean `greeter`?`` for the suggested names, or an empty text if there are none.
pub fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let names = suggest(wrong, known);
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}

/// Returns up to three names of `known` that `wrong` may stand for, nearest first: names within a third of its length in
/// edits (Levenshtein), and names that contain it. A name that differs only in case is the only suggestion.
pub fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wrong.to_lowercase();
    let limit = (wrong.chars().count() / 3).max(2);
    let mut near: Vec<_> = known
        .into_iter()
        .map(|name| (strsim::levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(edits, name)| {
            *edits <= limit || name.to_lowercase().contains(&lower) && lower.len() > 2
        })
        .collect();
    near.sort();
    near.dedup();
    if near.first().is_some_and(|(edits, _)| *edits == 0) {
        near.retain(|(edits, _)| *edits == 0);
    }
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_name_gets_the_right_one_suggested() {
        let known = ["greeter", "counter", "Greeter.Hello"];
        assert_eq!(suggest("greter", known), ["greeter"]);
        assert_eq!(
            hint("greeter.hello", known),
            "; did you mean `Greeter.Hello`?"
        );
        assert_eq!(hint("payments", known), "");
    }

    #[test]
    fn name_that_differs_only_in_case_is_the_only_suggestion() {
        let known = ["Greeter.Hello", "Greeter.Hallo", "Greeter.Everyone"];
        assert_eq!(suggest("greeter.hello", known), ["Greeter.Hello"]);
        assert_eq!(
            suggest("greeter.helo", known),
            ["Greeter.Hello", "Greeter.Hallo"]
        );
    }
}
