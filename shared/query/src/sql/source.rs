//! The SQL text: its tokens, its syntax tree, and the places that errors name.

use std::cell::{Cell, RefCell};

use sqlparser::ast::{self, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::QueryError;
use super::dialect::TwopathDialect;

/// A longer text is refused: binding recurses once per operator of a chain, and this bounds it well within a thread's stack.
const TOKENS_MAX: usize = 4_000;
const BYTES_MAX: usize = 100_000;
/// How deep parentheses, CASE and calls may nest.
const DEPTH_MAX: usize = 100;

/// What stands for `PARTITION BY` of a table argument once the text is read.
pub(super) const PARTITION_BY: &str = "partition_by";

/// How much later than newer ones the records of a topic come, by its name, its event-time column and a share: the delay, in microseconds, within which that share of them
/// comes. An error says why that is not known, and what to write instead.
pub type Lateness<'a> = dyn Fn(&str, &str, f64) -> Result<i64, String> + 'a;

pub(super) struct Source<'a> {
    sql: &'a str,
    lateness: &'a Lateness<'a>,
    /// Whether a topic that has no event time is known to have none.
    pub knows_times: bool,
    tokens: RefCell<Vec<TokenWithSpan>>,
    /// Where ASOF stands, and whether its join is a left one: the parser knows ASOF JOIN alone.
    as_of: RefCell<Vec<(Location, bool)>>,
    /// Where the text ends with EMIT ON WINDOW CLOSE.
    emit: Cell<Option<Span>>,
}

impl<'a> Source<'a> {
    pub fn new(sql: &'a str) -> Self {
        let unknown: &Lateness<'_> = &|_, _, _| {
            Err("how late records come is looked up where a question is asked (twopath query); write the delay that it is to be, INTERVAL '5' SECOND".into())
        };
        Source { knows_times: false, ..Source::knowing(sql, unknown) }
    }

    /// Of one who knows how late records come.
    pub fn knowing(sql: &'a str, lateness: &'a Lateness<'a>) -> Self {
        Source { sql, lateness, knows_times: true, tokens: RefCell::default(), as_of: RefCell::default(), emit: Cell::default() }
    }

    /// The syntax tree of the one query that the text must be.
    pub fn parse(&self) -> Result<Box<ast::Query>, QueryError> {
        if self.sql.len() > BYTES_MAX {
            return Err(self.error_at_start(format!("the query is longer than {BYTES_MAX} bytes: shorten it")));
        }
        let tokens = Tokenizer::new(&TwopathDialect, self.sql)
            .tokenize_with_location()
            .map_err(|e| self.error(Span { start: e.location, end: e.location }, e.message))?;
        let words = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_)));
        if let Some(beyond) = words.clone().nth(TOKENS_MAX) {
            return Err(self.error(beyond.span, format!("the query is longer than {TOKENS_MAX} words and signs: shorten it")));
        }
        let Some(first) = words.clone().next() else {
            return Err(self.error_at_start("the query is empty: write SELECT ... FROM ...".to_owned()));
        };
        let first_span = first.span;
        let starts_query = match &first.token {
            Token::Word(w) => matches!(w.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE | Keyword::FROM),
            token => *token == Token::LParen,
        };
        if !starts_query {
            let message =
                format!("a query starts with SELECT, not with '{}': a topic is only read, its log changes by appending", first.token);
            return Err(self.error(first_span, message));
        }
        *self.tokens.borrow_mut() = words.cloned().collect();
        let tokens = self.tokens.borrow();
        let (read, emit) = without_emit(&tokens);
        self.emit.set(emit);
        let read = without_table_keyword(read);
        let (read, as_of) = without_left_of_asof(with_units_in_texts(read));
        *self.as_of.borrow_mut() = as_of;
        drop(tokens);
        let statements = Parser::new(&TwopathDialect)
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(read)
            .parse_statements()
            .map_err(|e| self.parser_error(e))?;
        let count = statements.len();
        match <[Statement; 1]>::try_from(statements) {
            Ok([Statement::Query(query)]) => Ok(query),
            Ok([_]) => Err(self.error(first_span, "only SELECT is supported".to_owned())),
            Err(_) => Err(self.error_at_start(format!("{count} statements where one SELECT is expected: run them one by one"))),
        }
    }

    /// The delay within which a share of a topic's records comes.
    pub fn lateness(&self, topic: &str, column: &str, share: f64) -> Result<i64, String> {
        (self.lateness)(topic, column, share)
    }

    /// Where EMIT ON WINDOW CLOSE stands, if it does; the first who asks answers for it.
    pub fn take_emit(&self) -> Option<Span> {
        self.emit.take()
    }

    /// Whether the join to what stands there is written ASOF LEFT JOIN.
    pub fn is_left_asof(&self, right: Span) -> bool {
        self.as_of.borrow().iter().rfind(|(at, _)| *at < right.start).is_some_and(|(_, is_left)| *is_left)
    }

    pub fn error(&self, span: Span, message: impl Into<String>) -> QueryError {
        if span.start.line == 0 {
            return self.error_at_start(message);
        }
        let start = self.byte_of(span.start);
        let end = self.byte_of(span.end).max(start);
        QueryError { message: message.into(), line: span.start.line, column: span.start.column, span: start..end }
    }

    pub fn error_at_start(&self, message: impl Into<String>) -> QueryError {
        QueryError { message: message.into(), line: 1, column: 1, span: 0..self.sql.len() }
    }

    /// The bytes of a place; all of the text where the place is not known.
    pub fn range(&self, span: Span) -> std::ops::Range<usize> {
        self.error(span, "").span
    }

    /// An error about these bytes.
    pub fn error_at(&self, range: std::ops::Range<usize>, message: impl Into<String>) -> QueryError {
        let before = self.sql.get(..range.start).unwrap_or("");
        let line = 1 + before.matches('\n').count() as u64;
        let column = 1 + before.rsplit('\n').next().unwrap_or("").chars().count() as u64;
        QueryError { message: message.into(), line, column, span: range }
    }

    /// The place of the first of these keywords after another place, for clauses whose syntax tree does not say where they stand.
    pub fn keyword(&self, after: Span, keywords: &[Keyword]) -> Span {
        let tokens = self.tokens.borrow();
        let is_one =
            |t: &&TokenWithSpan| t.span.start >= after.start && matches!(&t.token, Token::Word(w) if keywords.contains(&w.keyword));
        tokens.iter().find(is_one).map_or(Span::empty(), |t| t.span)
    }

    fn byte_of(&self, location: Location) -> usize {
        let mut line_start = 0;
        for _ in 1..location.line {
            match self.sql[line_start..].find('\n') {
                Some(at) => line_start += at + 1,
                None => return self.sql.len(),
            }
        }
        let in_line = self.sql[line_start..].char_indices().nth(location.column.saturating_sub(1) as usize);
        in_line.map_or(self.sql.len(), |(at, _)| line_start + at)
    }

    /// The parser puts the place into the message's text, if anywhere.
    fn parser_error(&self, error: ParserError) -> QueryError {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
            ParserError::RecursionLimitExceeded => {
                return self.error_at_start(format!("the query nests deeper than {DEPTH_MAX} levels: flatten it"));
            }
        };
        let text = text.replace("Expected: ", "expected ").replace("found: EOF", "found the end of the text").replace("found: ", "found ");
        let place = text.rsplit_once(" at Line: ").and_then(|(message, place)| {
            let (line, column) = place.split_once(", Column: ")?;
            let start = Location { line: line.parse().ok()?, column: column.parse().ok()? };
            Some((message.to_owned(), start))
        });
        match place {
            Some((message, start)) => {
                let tokens = self.tokens.borrow();
                let span = tokens.iter().find(|t| t.span.start == start).map_or(Span { start, end: start }, |t| t.span);
                self.error(span, message)
            }
            // At the text's end the parser names no place.
            None => {
                let end = self.tokens.borrow().last().map_or(Span::empty(), |t| Span { start: t.span.end, end: t.span.end });
                self.error(end, text)
            }
        }
    }
}

/// `SESSION(TABLE t PARTITION BY a, b, ...)` as `SESSION(t, PARTITION_BY(a, b), ...)`: the parser knows no TABLE argument. For any name, so that a mistyped one is
/// told as such.
fn without_table_keyword(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let is_name = |t: &TokenWithSpan| matches!(&t.token, Token::Word(_));
    let is = |t: Option<&TokenWithSpan>, keyword| matches!(t.map(|t| &t.token), Some(Token::Word(w)) if w.keyword == keyword);
    let is_argument = |i: usize| {
        let opens = |i: usize| match tokens[i].token {
            Token::LParen => i >= 1 && is_name(&tokens[i - 1]),
            // DATA => TABLE t
            Token::RArrow => true,
            _ => false,
        };
        i >= 2 && is(tokens.get(i), Keyword::TABLE) && opens(i - 1)
    };
    let mut read = Vec::with_capacity(tokens.len() + 2);
    let mut at = 0;
    while at < tokens.len() {
        if !is_argument(at) {
            read.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += 1;
        // The table is a name, a call, or a query in parentheses, in which there may be tables again.
        let table = at;
        let mut depth = 0_usize;
        while let Some(token) = tokens.get(at) {
            if depth == 0 && (matches!(token.token, Token::Comma | Token::RParen) || is(Some(token), Keyword::PARTITION)) {
                break;
            }
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        read.extend(without_table_keyword(&tokens[table..at]));
        if !(is(tokens.get(at), Keyword::PARTITION) && is(tokens.get(at + 1), Keyword::BY)) {
            continue;
        }
        let span = tokens[at].span;
        let token = |token| TokenWithSpan { token, span };
        read.extend([token(Token::Comma), token(Token::make_word(PARTITION_BY, None)), token(Token::LParen)]);
        at += 2;
        let in_parentheses = tokens.get(at).is_some_and(|t| t.token == Token::LParen);
        at += usize::from(in_parentheses);
        // Without parentheses the columns end where the next argument, which is a call, begins.
        let is_end = |i: usize| match tokens[i].token {
            Token::RParen => true,
            Token::Comma => !in_parentheses && tokens.get(i + 2).is_some_and(|t| matches!(t.token, Token::LParen | Token::RArrow)),
            _ => false,
        };
        while at < tokens.len() && !is_end(at) {
            read.push(tokens[at].clone());
            at += 1;
        }
        at += usize::from(in_parentheses);
        read.push(token(Token::RParen));
    }
    read
}

/// The text before EMIT ON WINDOW CLOSE, which the parser does not know, and where that stands.
fn without_emit(tokens: &[TokenWithSpan]) -> (&[TokenWithSpan], Option<Span>) {
    let end = tokens.iter().rposition(|t| t.token != Token::SemiColon).map_or(0, |last| last + 1);
    let is = |token: &TokenWithSpan, word: &str| matches!(&token.token, Token::Word(w) if w.value.eq_ignore_ascii_case(word));
    match &tokens[..end] {
        [before @ .., emit, on, window, close] if is(emit, "emit") && is(on, "on") && is(window, "window") && is(close, "close") => {
            (before, Some(emit.span.union(&close.span)))
        }
        _ => (tokens, None),
    }
}

/// `ASOF LEFT JOIN` and `LEFT ASOF JOIN` as `ASOF JOIN`, with where each stands and whether it is a left join.
fn without_left_of_asof(tokens: Vec<TokenWithSpan>) -> (Vec<TokenWithSpan>, Vec<(Location, bool)>) {
    let is = |t: Option<&TokenWithSpan>, keyword| matches!(t.map(|t| &t.token), Some(Token::Word(w)) if w.keyword == keyword);
    let (mut read, mut joins) = (Vec::with_capacity(tokens.len()), Vec::new());
    for (i, token) in tokens.iter().enumerate() {
        let (before, after) = (i.checked_sub(1).and_then(|b| tokens.get(b)), tokens.get(i + 1));
        let left_before = is(Some(token), Keyword::LEFT) && is(after, Keyword::ASOF);
        let left_after = is(Some(token), Keyword::LEFT) && is(before, Keyword::ASOF);
        let outer = is(Some(token), Keyword::OUTER) && is(before, Keyword::LEFT) && i >= 2 && is(tokens.get(i - 2), Keyword::ASOF);
        if is(Some(token), Keyword::ASOF) {
            joins.push((token.span.start, is(before, Keyword::LEFT) || is(after, Keyword::LEFT)));
        }
        if !(left_before || left_after || outer) {
            read.push(token.clone());
        }
    }
    (read, joins)
}

/// Units that the parser does not know behind an interval's text.
const UNITS: [&str; 14] = [
    "week",
    "weeks",
    "quarter",
    "quarters",
    "years",
    "months",
    "days",
    "hours",
    "minutes",
    "seconds",
    "millisecond",
    "milliseconds",
    "microsecond",
    "microseconds",
];

/// `INTERVAL '1' WEEK` as `INTERVAL '1 WEEK'`: the parser knows other units only, and takes what it does not know for a name. The place stays that of the text.
fn with_units_in_texts(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_interval = |t: &TokenWithSpan| matches!(&t.token, Token::Word(w) if w.keyword == Keyword::INTERVAL);
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let Token::Word(word) = &token.token
            && word.quote_style.is_none()
            && UNITS.contains(&word.value.to_ascii_lowercase().as_str())
            && let [.., before, TokenWithSpan { token: Token::SingleQuotedString(text), .. }] = &mut kept[..]
            && is_interval(before)
            && text.trim().parse::<f64>().is_ok()
        {
            *text += &format!(" {}", word.value);
            continue;
        }
        kept.push(token);
    }
    kept
}
