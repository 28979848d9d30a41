//! SQL: `sqlparser` parses and prints; the printed tokens become the tree.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::Parsed;
use super::layout::lines;
use super::tree::{Bracket, End, Node, Unit, tokens};
use crate::result::CodeSize;

/// One query. Keywords and names are compared without regard to case, as SQL does.
pub fn parse(text: &str) -> Result<Parsed, String> {
    let dialect = PostgreSqlDialect {};
    let written = Tokenizer::new(&dialect, text).tokenize().map_err(|e| e.to_string())?;
    // As it is printed, so that it does not matter which of several forms was written; as it is written, where the parser does not know the form.
    let printed = Parser::new(&dialect).with_tokens(without_table_keyword(written.clone())).parse_statements();
    let (statements, words) = match printed {
        Ok(statements) => {
            let printed = statements.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            (statements.len(), Tokenizer::new(&dialect, &printed).tokenize().map_err(|e| e.to_string())?)
        }
        Err(_) if is_of_streams(&written) => (1, written),
        Err(e) => return Err(e.to_string()),
    };
    let words: Vec<Token> = words.into_iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon)).collect();
    let units = tree(&mut words.iter().peekable());
    let size = CodeSize { lines: lines(&units), functions: statements as u64, decisions: decisions(&words), tokens: tokens(&units) };
    Ok(Parsed { size, units })
}

/// `TUMBLE(TABLE flights, ...)`: the parser knows no such argument. It says nothing that the name does not say.
fn without_table_keyword(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut after_bracket = false;
    for token in tokens {
        if after_bracket && keyword(&token) == Some(Keyword::TABLE) {
            continue;
        }
        if !matches!(token, Token::Whitespace(_)) {
            after_bracket = token == Token::LParen;
        }
        kept.push(token);
    }
    kept
}

/// Whether it has a form of streams that the parser does not know: a table argument with PARTITION BY, a table as of a moment, ASOF LEFT JOIN, EMIT.
fn is_of_streams(written: &[Token]) -> bool {
    let forms = ["PARTITION", "SYSTEM_TIME", "ASOF", "EMIT"];
    written.iter().any(|token| matches!(token, Token::Word(word) if forms.contains(&word.value.to_uppercase().as_str())))
}

fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// Arms of `CASE`, `AND` and `OR`; not the `AND` of `BETWEEN`.
fn decisions(words: &[Token]) -> u64 {
    let (mut count, mut between) = (0, 0u64);
    for word in words {
        match keyword(word) {
            Some(Keyword::WHEN | Keyword::OR) => count += 1,
            Some(Keyword::BETWEEN) => between += 1,
            Some(Keyword::AND) if between > 0 => between -= 1,
            Some(Keyword::AND) => count += 1,
            _ => {}
        }
    }
    count
}

/// Up to the bracket that closes, or the end. A clause is a unit, and so is each item of `SELECT` and each argument.
fn tree<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a Token>>) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    // Items of other clauses stand on one line, and are one unit.
    let mut lists = true;
    let end = |units: &mut Vec<Unit>, nodes: &mut Vec<Node>, end: End| {
        if !nodes.is_empty() {
            units.push(Unit { nodes: std::mem::take(nodes), end });
        }
    };
    while let Some(word) = words.next() {
        match word {
            Token::RParen => break,
            Token::LParen => nodes.push(Node::Group(Bracket::Round, tree(words))),
            Token::Comma if lists => end(&mut units, &mut nodes, End::Comma),
            Token::Comma => {}
            Token::SemiColon => end(&mut units, &mut nodes, End::Semicolon),
            word => {
                if let Some(clause) = keyword(word).filter(begins_clause).filter(|_| !is_join(&nodes)) {
                    end(&mut units, &mut nodes, End::Nothing);
                    lists = matches!(clause, Keyword::SELECT | Keyword::WITH);
                }
                nodes.push(Node::Leaf(text(word)));
            }
        }
    }
    end(&mut units, &mut nodes, End::Nothing);
    units
}

fn begins_clause(keyword: &Keyword) -> bool {
    use Keyword::{FROM, GROUP, HAVING, INNER, JOIN, LEFT, LIMIT, ORDER, SELECT, UNION, WHERE, WITH};
    matches!(keyword, SELECT | FROM | WHERE | GROUP | HAVING | ORDER | LIMIT | UNION | WITH | LEFT | INNER | JOIN)
}

/// `LEFT` and `INNER`, whose clause has begun.
fn is_join(nodes: &[Node]) -> bool {
    matches!(nodes, [Node::Leaf(word), ..] if ["left", "inner"].contains(&word.as_str())) && nodes.len() <= 2
}

fn text(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        token => token.to_string(),
    }
}
