//! Rust source as far as imports go: its tokens, and the paths that begin in the crate itself.

/// A word, `::`, or any other character that is not white, with its line.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A path from the crate's root, such as `registry::Node`; a glob ends in `*`.
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// What a `use` declaration names, and the path of it; that of another crate begins in the module itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
}

/// A path of a tree, with the name that it has after `as`.
struct Branch {
    path: Vec<String>,
    alias: Option<String>,
}

/// The tokens of a file, without comments, texts and lifetimes.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    read(source, false)
}

/// The code of a file, texts included, without comments and what is compiled for tests only: its tokens with spaces
/// between them.
#[allow(dead_code, reason = "`arrows` looks at paths alone")]
pub(crate) fn without_tests(source: &str) -> String {
    let tokens = read(source, true);
    let (mut code, mut at) = (String::new(), 0);
    while let Some(token) = tokens.get(at) {
        if is_for_tests(&tokens, at) {
            at = after_item(&tokens, at + TEST.len());
            continue;
        }
        code.push_str(&token.text);
        code.push(' ');
        at += 1;
    }
    code
}

/// What stands before an item that is compiled for tests only.
const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

fn is_for_tests(tokens: &[Token], at: usize) -> bool {
    let texts = tokens.iter().skip(at).map(|token| token.text.as_str());
    texts.take(TEST.len()).eq(TEST)
}

fn read(source: &str, with_texts: bool) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let starts =
        |at: usize, what: &str| what.chars().eq(text[at..].iter().copied().take(what.len()));
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < text.len() {
        let begin = at;
        let mut token = None;
        if starts(at, "//") {
            at = end(&text, at, |at| text[at] == '\n');
        } else if starts(at, "/*") {
            at = after_comment(&text, at);
        } else if let Some(hashes) = raw_text(&text[at..]) {
            let close = format!("\"{}", "#".repeat(hashes));
            at = end(&text, at + hashes + 2, |at| starts(at, &close)) + close.len();
            token = with_texts.then_some(begin..at.min(text.len()));
        } else if text[at] == '"' {
            at = after_quoted(&text, at);
            token = with_texts.then_some(begin..at.min(text.len()));
        } else if text[at] == '\'' {
            let is_character = text.get(at + 1) == Some(&'\\') || text.get(at + 2) == Some(&'\'');
            at = if is_character {
                after_quoted(&text, at)
            } else {
                at + 1
            };
        } else if text[at].is_alphanumeric() || text[at] == '_' {
            at = end(&text, at, |at| {
                !text[at].is_alphanumeric() && text[at] != '_'
            });
            token = Some(begin..at);
        } else {
            at += if starts(at, "::") { 2 } else { 1 };
            token = (!text[begin].is_whitespace()).then_some(begin..at);
        }
        if let Some(range) = token {
            let text = text[range].iter().collect();
            tokens.push(Token { text, line });
        }
        let at = at.min(text.len());
        line += text[begin..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// The first place from `at` on where `ends`, or the end of all.
fn end(text: &[char], at: usize, ends: impl Fn(usize) -> bool) -> usize {
    (at..text.len()).find(|at| ends(*at)).unwrap_or(text.len())
}

/// How many `#` a raw text has, if one begins here.
fn raw_text(text: &[char]) -> Option<usize> {
    let hashes = text
        .strip_prefix(&['r'])?
        .iter()
        .take_while(|c| **c == '#')
        .count();
    (text.get(hashes + 1) == Some(&'"')).then_some(hashes)
}

fn after_quoted(text: &[char], begin: usize) -> usize {
    let mut at = begin + 1;
    while at < text.len() && text[at] != text[begin] {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Behind a block comment, which may hold others.
fn after_comment(text: &[char], begin: usize) -> usize {
    let (mut at, mut depth) = (begin, 0);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// What a file is made of, outside what is compiled for tests only.
#[derive(Default)]
pub(crate) struct File {
    /// Every path into the crate, in imports and elsewhere.
    pub(crate) imports: Vec<Import>,
    /// Every name that the file declares by `use`.
    pub(crate) names: Vec<Name>,
    /// The modules in files of their own that are compiled for tests only.
    pub(crate) test_modules: Vec<Vec<String>>,
}

impl File {
    /// Reads the file of a module, such as `["selector", "cache"]`.
    pub(crate) fn read(source: &str, module: &[String]) -> Self {
        let tokens = tokens(source);
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let mut file = File::default();
        // Modules within the file, and how deep in braces each began.
        let mut module = module.to_vec();
        let mut inner = Vec::new();
        let (mut at, mut depth) = (0, 0);
        while at < tokens.len() {
            if is_for_tests(&tokens, at) {
                let item = at + TEST.len();
                at = after_item(&tokens, item);
                if text(at - 1) == ";" && text(at - 3) == "mod" {
                    file.test_modules
                        .push([&module[..], &[text(at - 2).to_owned()]].concat());
                }
                continue;
            }
            match text(at) {
                "mod" if text(at + 2) == "{" => {
                    module.push(text(at + 1).to_owned());
                    inner.push(depth);
                }
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if inner.last() == Some(&depth) {
                        inner.pop();
                        module.pop();
                    }
                }
                "crate" | "micro" | "super" | "self"
                    if text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") =>
                {
                    let line = tokens[at].line;
                    let mut branches = Vec::new();
                    at = tree(&tokens, at, &mut Vec::new(), &mut branches);
                    let paths = branches.iter().map(|b| absolute(&module, &b.path));
                    file.imports.extend(paths.map(|path| Import { path, line }));
                    continue;
                }
                // A `use` within `use<'a>` names nothing.
                "use" if text(at + 1) != "<" => {
                    let line = tokens[at].line;
                    let mut branches = Vec::new();
                    at = tree(&tokens, at + 1, &mut Vec::new(), &mut branches);
                    for Branch { path, alias } in branches {
                        let own = matches!(path[0].as_str(), "crate" | "micro" | "super" | "self");
                        let path = absolute(&module, &path);
                        let last = path.last().cloned().unwrap_or_default();
                        let name = alias.unwrap_or(last);
                        if own {
                            let path = path.clone();
                            file.imports.push(Import { path, line });
                        }
                        file.names.push(Name { name, path });
                    }
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        file
    }
}

/// Behind an item: its `;`, or the block that ends it.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        at += 1;
        match tokens[at - 1].text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            ";" if depth == 0 => break,
            _ => {}
        }
    }
    at
}

/// Reads a path or a tree of them, such as `a::{b, c::d}`; behind it.
fn tree(
    tokens: &[Token],
    mut at: usize,
    before: &mut Vec<String>,
    branches: &mut Vec<Branch>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let outer = before.len();
    loop {
        if text(at) == "{" {
            at += 1;
            while !matches!(text(at), "}" | "") {
                at = tree(tokens, at, before, branches);
                at += usize::from(text(at) == ",");
            }
            at += 1;
            break;
        }
        before.push(text(at).to_owned());
        at += 1;
        let goes_on = text(at) == "::"
            && (matches!(text(at + 1), "{" | "*") || text(at + 1).starts_with(char::is_alphabetic));
        if !goes_on {
            let (path, mut alias) = (before.clone(), None);
            if text(at) == "as" {
                alias = Some(text(at + 1).to_owned());
                at += 2;
            }
            branches.push(Branch { path, alias });
            break;
        }
        at += 1;
    }
    before.truncate(outer);
    at
}

/// A path as seen from the crate's root; `{self}` at its end is the module itself.
fn absolute(module: &[String], path: &[String]) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = path.strip_suffix(&["self".to_owned()]).unwrap_or(path);
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" | "micro" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    [&base[..], rest].concat()
}
