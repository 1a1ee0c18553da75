//! From bytes to forms.
//!
//! After the description of the format at github.com/edn-format/edn, and what Clojure's printer
//! does beyond it: hexadecimal numbers inside `#object[…]`, `##Inf`, maps with a namespace.

use super::form::{Form, Kind, NAN};
use serde_json::Number;

/// Brackets, tags and discards inside one another.
const MAX_DEPTH: usize = 100;

/// Digits and signs of a number; longer ones cannot be compared.
const MAX_DIGITS: usize = 40;

/// Digits of a decimal (`1.5M`) that a floating-point number keeps apart from every other.
const EXACT_DIGITS: usize = 15;

/// Where and why there is no form.
#[derive(Debug)]
pub(in crate::history::read) struct Broken {
    /// Where it goes wrong.
    pub(in crate::history::read) at: usize,
    /// Where the outermost form begins.
    pub(in crate::history::read) from: usize,
    pub(in crate::history::read) why: String,
    /// The text ends too early; nothing else is wrong.
    pub(in crate::history::read) unfinished: bool,
}

/// Reads form after form.
pub(in crate::history::read) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    from: usize,
}

impl<'a> Parser<'a> {
    pub(in crate::history::read) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at, from: at }
    }

    /// What was not read yet.
    pub(in crate::history::read) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// The next form and where it begins; `None` at the end.
    pub(in crate::history::read) fn next(&mut self) -> Result<Option<Form>, Broken> {
        self.from = self.at;
        self.blank(0)?;
        self.from = self.at;
        if self.peek().is_none() { Ok(None) } else { self.form(0).map(Some) }
    }

    /// The same, but goes into a vector or list at the outermost level: `opened` is the bracket
    /// that closes it. Tags there are dropped.
    pub(super) fn next_outside(&mut self, opened: &mut Option<u8>) -> Result<Option<(usize, Form)>, Broken> {
        loop {
            self.from = self.at;
            self.blank(0)?;
            self.from = self.at;
            match (self.peek(), *opened) {
                (None, None) => return Ok(None),
                (None, Some(close)) => {
                    return Err(
                        self.broken(format!("the list never ends: `{}` is missing", char::from(close)))
                    );
                }
                (Some(b'['), None) => *opened = Some(b']'),
                (Some(b'('), None) => *opened = Some(b')'),
                (Some(byte), Some(close)) if byte == close => *opened = None,
                (Some(b'#'), _) if self.text.get(self.at + 1).is_some_and(u8::is_ascii_alphabetic) => {
                    self.at += 1;
                    self.token()?;
                    continue;
                }
                _ => return self.form(0).map(|form| Some((self.from, form))),
            }
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// At the very end of the text, whatever is wrong may have been cut.
    fn broken(&self, why: impl Into<String>) -> Broken {
        let unfinished = self.at == self.text.len();
        Broken { at: self.at, from: self.from, why: why.into(), unfinished }
    }

    fn unfinished(&self, why: impl Into<String>) -> Broken {
        Broken { unfinished: true, ..self.broken(why) }
    }

    /// Passes over white space, commas, comments and discarded forms.
    fn blank(&mut self, depth: usize) -> Result<(), Broken> {
        while let Some(byte) = self.peek() {
            match byte {
                b';' => self.at += self.rest().iter().take_while(|byte| **byte != b'\n').count(),
                b'#' if self.text.get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.form(depth + 1)?;
                }
                byte if is_blank(byte) => self.at += 1,
                _ => break,
            }
        }
        Ok(())
    }

    fn form(&mut self, depth: usize) -> Result<Form, Broken> {
        if depth > MAX_DEPTH {
            return Err(self.broken(format!("nested more than {MAX_DEPTH} deep")));
        }
        self.blank(depth)?;
        let Some(first) = self.peek() else { return Err(self.unfinished("it ends too early")) };
        match first {
            b'[' | b'(' => {
                let close = if first == b'[' { b']' } else { b')' };
                self.items(close, depth).map(Form::List)
            }
            b'{' => self.map(depth, None),
            b'"' => self.string().map(|text| Form::Word(Kind::Text, text)),
            b'\\' => self.character(),
            b'#' => self.dispatch(depth),
            b')' | b']' | b'}' => Err(self.broken(format!("`{}` closes nothing", char::from(first)))),
            b'^' | b'`' | b'~' | b'\'' | b'@' => {
                Err(self.broken(format!("`{}` begins code, not data", char::from(first))))
            }
            _ => self.atom(),
        }
    }

    /// From the bracket that opens to the one that closes.
    fn items(&mut self, close: u8, depth: usize) -> Result<Vec<Form>, Broken> {
        let from = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blank(depth)?;
            match self.peek() {
                None => {
                    let why = format!("`{}` is missing for what opens here", char::from(close));
                    return Err(Broken { at: from, ..self.unfinished(why) });
                }
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(items);
                }
                Some(_) => items.push(self.form(depth + 1)?),
            }
        }
    }

    /// With the namespace of keys that have none.
    fn map(&mut self, depth: usize, namespace: Option<&str>) -> Result<Form, Broken> {
        let from = self.at;
        let mut items = self.items(b'}', depth)?.into_iter();
        let mut entries = Vec::with_capacity(items.len() / 2);
        while let Some(mut key) = items.next() {
            let Some(value) = items.next() else {
                return Err(Broken { at: from, ..self.broken("a key in this map has no value") });
            };
            if let (Some(namespace), Form::Word(Kind::Keyword, name)) = (namespace, &mut key)
                && !name.contains('/')
            {
                *name = format!("{namespace}/{name}");
            }
            entries.push((key, value));
        }
        Ok(Form::Map(entries))
    }

    /// After `#`: a set, a number that is none, a tag.
    fn dispatch(&mut self, depth: usize) -> Result<Form, Broken> {
        self.at += 1;
        match self.peek() {
            None => Err(self.unfinished("nothing follows `#`")),
            Some(b'{') => self.items(b'}', depth).map(Form::Set),
            Some(b'#') => {
                self.at += 1;
                match self.token()? {
                    name @ ("Inf" | "-Inf" | "NaN") => {
                        let text = if name == "NaN" { NAN.to_owned() } else { format!("##{name}") };
                        Ok(Form::Word(Kind::Number, text))
                    }
                    name => Err(self.broken(format!("##{name} is not known"))),
                }
            }
            Some(b':') => {
                self.at += 1;
                let namespace = self.token()?.trim_start_matches(':').to_owned();
                self.blank(depth)?;
                match self.peek() {
                    Some(b'{') => self.map(depth, Some(&namespace)),
                    None => Err(self.unfinished("nothing follows the namespace")),
                    Some(_) => Err(self.broken("a namespace wants a map")),
                }
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                self.token()?;
                Ok(match self.form(depth + 1)? {
                    Form::Word(Kind::Text, text) => Form::Word(Kind::Tagged, text),
                    plain => plain,
                })
            }
            Some(_) => Err(self.broken("this is no tag, set or discard")),
        }
    }

    fn string(&mut self) -> Result<String, Broken> {
        let from = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(Broken { at: from, ..self.unfinished("the string that begins here never ends") });
            };
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let c = self.escape()?;
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).map_err(|_| Broken { at: from, ..self.broken("the string is not UTF-8") })
    }

    /// After a backslash inside a string.
    fn escape(&mut self) -> Result<char, Broken> {
        let Some(byte) = self.peek() else { return Err(self.unfinished("nothing follows the backslash")) };
        self.at += 1;
        Ok(match byte {
            b't' => '\t',
            b'r' => '\r',
            b'n' => '\n',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'\\' | b'"' => char::from(byte),
            b'u' => {
                let unit = self.unit()?;
                // Clojure's strings are UTF-16: two halves make one character.
                if (0xd800..0xdc00).contains(&unit) && self.rest().starts_with(b"\\u") {
                    self.at += 2;
                    let low = self.unit()?;
                    let pair = char::decode_utf16([unit, low]).next().and_then(Result::ok);
                    return pair.ok_or_else(|| self.broken("half a character"));
                }
                char::from_u32(unit.into()).ok_or_else(|| self.broken("half a character"))?
            }
            other => return Err(self.broken(format!("no such escape: \\{}", char::from(other)))),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Broken> {
        let Some(digits) = self.text.get(self.at..self.at + 4) else {
            return Err(self.unfinished("four hexadecimal digits are wanted"));
        };
        let digits =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|text| u16::from_str_radix(text, 16).ok());
        let unit = unit.ok_or_else(|| self.broken("four hexadecimal digits are wanted"))?;
        self.at += 4;
        Ok(unit)
    }

    /// `\a`, `\newline`, `\u00e9`.
    fn character(&mut self) -> Result<Form, Broken> {
        self.at += 1;
        let Some(first) = self.peek() else { return Err(self.unfinished("nothing follows the backslash")) };
        let text = if ends(first) {
            // `\(` and the like: a delimiter is a character, too.
            self.at += 1;
            char::from(first).to_string()
        } else {
            let name = self.token()?.to_owned();
            match name.as_str() {
                "newline" => "\n".to_owned(),
                "return" => "\r".to_owned(),
                "space" => " ".to_owned(),
                "tab" => "\t".to_owned(),
                "formfeed" => "\u{c}".to_owned(),
                "backspace" => "\u{8}".to_owned(),
                name if name.chars().count() == 1 => name.to_owned(),
                name => name
                    .strip_prefix('u')
                    .filter(|digits| digits.len() == 4)
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                    .and_then(char::from_u32)
                    .map(String::from)
                    .ok_or_else(|| self.broken(format!("no such character: \\{name}")))?,
            }
        };
        Ok(Form::Word(Kind::Char, text))
    }

    /// Up to the next delimiter.
    fn token(&mut self) -> Result<&'a str, Broken> {
        let from = self.at;
        let length = self.rest().iter().take_while(|byte| !ends(**byte)).count();
        self.at += length;
        std::str::from_utf8(&self.text[from..self.at])
            .map_err(|_| Broken { at: from, ..self.broken("this is not UTF-8") })
    }

    /// A keyword, symbol or number.
    fn atom(&mut self) -> Result<Form, Broken> {
        let from = self.at;
        let word = self.token()?;
        let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
        Ok(match word {
            "nil" => Form::Nil,
            "true" => Form::Bool(true),
            "false" => Form::Bool(false),
            _ if digits.starts_with(|c: char| c.is_ascii_digit()) => {
                number(word).map_err(|why| Broken { at: from, ..self.broken(why) })?
            }
            _ => match word.strip_prefix(':') {
                Some("" | ":") => return Err(Broken { at: from, ..self.broken("a keyword without a name") }),
                Some(name) => Form::Word(Kind::Keyword, name.trim_start_matches(':').to_owned()),
                None => Form::Word(Kind::Symbol, word.to_owned()),
            },
        })
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b',' || byte == 0x0b
}

fn ends(byte: u8) -> bool {
    is_blank(byte) || b"()[]{}\";\\".contains(&byte)
}

/// A number that begins with a digit, after its sign.
fn number(word: &str) -> Result<Form, String> {
    if word.len() > MAX_DIGITS {
        return Err(format!("a number of {} digits cannot be compared; write it as a string", word.len()));
    }
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let hex = hex.strip_suffix('N').unwrap_or(hex);
        let value = i128::from_str_radix(hex, 16).map_err(|_| no_number(word))?;
        return whole(if sign.is_empty() { value } else { -value }, word);
    }
    if let Some((over, under)) = digits.split_once('/') {
        return ratio(sign, over, under, word);
    }
    let plain = digits.strip_suffix('N').unwrap_or(digits);
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        if plain.len() > 1 && plain.starts_with('0') {
            return Err(format!("{word} is an octal number to some and a decimal one to others"));
        }
        let value: i128 = format!("{sign}{plain}").parse().map_err(|_| no_number(word))?;
        return whole(value, word);
    }
    let exact = digits.strip_suffix('M');
    let decimal = exact.unwrap_or(digits);
    let figures = decimal.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).filter(u8::is_ascii_digit);
    if exact.is_some() && figures.count() > EXACT_DIGITS {
        return Err(format!("{word} has more digits than can be compared; write it as a string"));
    }
    if !decimal.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte)) {
        return Err(no_number(word));
    }
    let value: f64 = format!("{sign}{decimal}").parse().map_err(|_| no_number(word))?;
    Number::from_f64(value).map(Form::Number).ok_or_else(|| format!("{word} is too large to be compared"))
}

fn whole(value: i128, word: &str) -> Result<Form, String> {
    Number::from_i128(value)
        .map(Form::Number)
        .ok_or_else(|| format!("{word} has more digits than can be compared; write it as a string"))
}

/// In lowest terms, so that equal ones are equal.
fn ratio(sign: &str, over: &str, under: &str, word: &str) -> Result<Form, String> {
    let part = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i128>().ok()).flatten().ok_or_else(|| no_number(word))
    };
    let (over, under) = (part(over)?, part(under)?);
    if under == 0 {
        return Err(format!("{word} divides by zero"));
    }
    let (mut a, mut b) = (over, under);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (over, under) = (over / a, under / a);
    if under == 1 {
        return whole(if sign.is_empty() { over } else { -over }, word);
    }
    Ok(Form::Word(Kind::Number, format!("{sign}{over}/{under}")))
}

fn no_number(word: &str) -> String {
    format!("{word} is no number")
}
