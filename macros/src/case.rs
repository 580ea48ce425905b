//! Names in other spellings.

/// `say_hello` as `SayHello`.
pub(crate) fn upper_camel(snake: &str) -> String {
    snake.split('_').map(capitalized).collect()
}

/// `say_hello` as `sayHello`: Protobuf's JSON name of a field.
pub(crate) fn lower_camel(snake: &str) -> String {
    let mut words = snake.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |name, word| name + &capitalized(word))
}

/// `SayHello` as `say_hello`.
pub(crate) fn snake(camel: &str) -> String {
    let mut name = String::new();
    for (index, letter) in camel.char_indices() {
        if index > 0 && letter.is_uppercase() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// One of serde's `rename_all` rules on a field's name, which is in snake case.
pub(crate) fn rename_field(rule: &str, name: &str) -> String {
    match rule {
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => name.to_ascii_uppercase(),
        "PascalCase" => upper_camel(name),
        "camelCase" => decapitalized(&upper_camel(name)),
        "kebab-case" => name.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_string(),
    }
}

/// One of serde's `rename_all` rules on a variant's name, which is in upper camel case.
pub(crate) fn rename_variant(rule: &str, name: &str) -> String {
    match rule {
        "lowercase" => name.to_ascii_lowercase(),
        "UPPERCASE" => name.to_ascii_uppercase(),
        "camelCase" => decapitalized(name),
        "snake_case" => snake(name),
        "SCREAMING_SNAKE_CASE" => snake(name).to_ascii_uppercase(),
        "kebab-case" => snake(name).replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => snake(name).to_ascii_uppercase().replace('_', "-"),
        _ => name.to_string(),
    }
}

fn decapitalized(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_serde_and_protobuf() {
        assert_eq!(upper_camel("say_hello"), "SayHello");
        assert_eq!(lower_camel("created_at_"), "createdAt");
        assert_eq!(lower_camel("x"), "x");
        assert_eq!(snake("SayHello"), "say_hello");
        assert_eq!(rename_field("camelCase", "say_hello"), "sayHello");
        assert_eq!(rename_field("SCREAMING-KEBAB-CASE", "a_b"), "A-B");
        assert_eq!(rename_variant("kebab-case", "SayHello"), "say-hello");
        assert_eq!(rename_variant("camelCase", "SayHello"), "sayHello");
    }
}
