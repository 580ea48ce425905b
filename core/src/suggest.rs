//! Names near a wrong one, for errors that help.

/// ``; did you mean `greeter`?`` for the nearest names, or nothing when none is near.
pub fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let names = nearest(wrong, known);
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}

/// Up to three names within a third of the wrong one's length in edits, or that contain it, nearest first.
/// Those that differ only in case stand alone: nothing else was meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wrong.to_lowercase();
    let limit = (wrong.chars().count() / 3).max(2);
    let mut near: Vec<_> = known
        .into_iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
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

/// Levenshtein's distance: edits of one character that make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let known = ["greeter", "counter", "Greeter.Hello"];
        assert_eq!(nearest("greter", known), ["greeter"]);
        assert_eq!(
            hint("greeter.hello", known),
            "; did you mean `Greeter.Hello`?"
        );
        assert_eq!(hint("payments", known), "");
    }

    #[test]
    fn a_name_that_differs_in_case_alone_is_the_only_one_offered() {
        let known = ["Greeter.Hello", "Greeter.Hallo", "Greeter.Everyone"];
        assert_eq!(nearest("greeter.hello", known), ["Greeter.Hello"]);
        assert_eq!(
            nearest("greeter.helo", known),
            ["Greeter.Hello", "Greeter.Hallo"]
        );
    }
}
