//! Rust: `syn` parses and prints; the printed tokens become the tree.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

use super::Parsed;
use super::layout::lines;
use super::tree::{Bracket, End, Node, Unit, tokens};
use crate::result::CodeSize;

/// Signs that belong together. (`>>` does not: it also ends two generic arguments.)
const OPERATORS: [&str; 20] =
    ["..=", "...", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "..", "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|="];

/// A whole file, without comments, documentation and modules for tests. Imports are sorted, as formatters do.
pub fn parse(text: &str) -> Result<Parsed, String> {
    let file = syn::parse_file(text).map_err(|e| e.to_string())?;
    let items: Vec<&syn::Item> = file.items.iter().filter(|item| !is_for_tests(item)).collect();
    let mut counts = Counts::default();
    let mut units = Vec::new();
    for item in &items {
        counts.visit_item(item);
        units.extend(tree(item.to_token_stream(), Context::Statements));
    }
    let is_use = |unit: &Unit| matches!(unit.nodes.first(), Some(Node::Leaf(word)) if word == "use");
    let (mut imports, rest): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(is_use);
    imports.sort_by_key(|unit| format!("{:?}", unit.nodes));
    imports.extend(rest);
    let size = CodeSize { lines: lines(&imports), functions: counts.functions, decisions: counts.decisions, tokens: tokens(&imports) };
    Ok(Parsed { size, units: imports })
}

fn is_for_tests(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => return false,
    };
    let test = |a: &syn::Attribute| a.path().is_ident("cfg") && a.meta.to_token_stream().to_string().replace(' ', "") == "cfg(test)";
    attributes.iter().any(|a| test(a) || a.path().is_ident("test"))
}

#[derive(Default)]
struct Counts {
    functions: u64,
    decisions: u64,
}

impl<'a> Visit<'a> for Counts {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.functions += 1;
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.functions += 1;
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_if(&mut self, e: &'a syn::ExprIf) {
        self.decisions += 1;
        visit::visit_expr_if(self, e);
    }

    fn visit_expr_match(&mut self, e: &'a syn::ExprMatch) {
        self.decisions += e.arms.len().saturating_sub(1) as u64;
        self.decisions += e.arms.iter().filter(|arm| has_guard(arm)).count() as u64;
        visit::visit_expr_match(self, e);
    }

    fn visit_expr_while(&mut self, e: &'a syn::ExprWhile) {
        self.decisions += 1;
        visit::visit_expr_while(self, e);
    }

    fn visit_expr_for_loop(&mut self, e: &'a syn::ExprForLoop) {
        self.decisions += 1;
        visit::visit_expr_for_loop(self, e);
    }

    fn visit_expr_loop(&mut self, e: &'a syn::ExprLoop) {
        self.decisions += 1;
        visit::visit_expr_loop(self, e);
    }

    fn visit_expr_try(&mut self, e: &'a syn::ExprTry) {
        self.decisions += 1;
        visit::visit_expr_try(self, e);
    }

    fn visit_expr_binary(&mut self, e: &'a syn::ExprBinary) {
        self.decisions += u64::from(matches!(e.op, syn::BinOp::And(_) | syn::BinOp::Or(_)));
        visit::visit_expr_binary(self, e);
    }

    fn visit_local_init(&mut self, init: &'a syn::LocalInit) {
        self.decisions += u64::from(init.diverge.is_some());
        visit::visit_local_init(self, init);
    }

    /// An engine's own `CASE`, `AND` and `OR`: polars writes a branch as `when(..)`, a conjunction as `.and(..)`.
    fn visit_expr_method_call(&mut self, e: &'a syn::ExprMethodCall) {
        let name = e.method.to_string();
        self.decisions += u64::from(e.args.len() == 1 && ["when", "and", "or"].contains(&name.as_str()));
        visit::visit_expr_method_call(self, e);
    }

    fn visit_expr_call(&mut self, e: &'a syn::ExprCall) {
        let is_when = matches!(&*e.func, syn::Expr::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == "when"));
        self.decisions += u64::from(is_when);
        visit::visit_expr_call(self, e);
    }

    /// Where a macro's arguments are expressions, they are code like any other.
    fn visit_macro(&mut self, m: &'a syn::Macro) {
        let arguments = m.parse_body_with(Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated);
        for e in arguments.into_iter().flatten() {
            let mut inner = Counts::default();
            inner.visit_expr(&e);
            self.functions += inner.functions;
            self.decisions += inner.decisions;
        }
    }
}

fn has_guard(arm: &syn::Arm) -> bool {
    arm.to_token_stream()
        .into_iter()
        .take_while(|t| !matches!(t, TokenTree::Punct(p) if p.as_char() == '=' && p.spacing() == Spacing::Joint))
        .any(|t| matches!(t, TokenTree::Ident(word) if word == "if"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// A file or a braced group, where a block ends a statement.
    Statements,
    Arguments,
}

/// The units of a stream of tokens. Documentation is left out, and so are braces around a lone expression after `=>` and after a closure's
/// arguments, which formatters add and take away.
fn tree(stream: TokenStream, context: Context) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    let mut stream: Vec<TokenTree> = stream.into_iter().collect();
    // From the back, so that the next is popped.
    stream.reverse();
    while let Some(token) = stream.pop() {
        match token {
            TokenTree::Punct(p) if p.as_char() == '#' && skip_documentation(&mut stream) => {}
            TokenTree::Punct(p) => {
                let text = operator(p.as_char(), p.spacing(), &mut stream);
                match text.as_str() {
                    "," => end(&mut units, &mut nodes, End::Comma),
                    ";" => end(&mut units, &mut nodes, End::Semicolon),
                    _ => nodes.push(Node::Leaf(text)),
                }
            }
            TokenTree::Group(group) => {
                let after_arrow = matches!(nodes.last(), Some(Node::Leaf(sign)) if sign == "=>" || sign == "|");
                match (group.delimiter(), lone_expression(&group).filter(|_| after_arrow)) {
                    (_, Some(expression)) => {
                        nodes.extend(tree(expression, Context::Arguments).into_iter().flat_map(|unit| unit.nodes));
                        if context == Context::Statements && !next_is_comma(&stream) && nodes.iter().any(is_arrow) {
                            end(&mut units, &mut nodes, End::Comma);
                        }
                    }
                    (Delimiter::None, _) => nodes.extend(tree(group.stream(), Context::Arguments).into_iter().flat_map(|unit| unit.nodes)),
                    (delimiter, _) => {
                        let (bracket, inner) = match delimiter {
                            Delimiter::Brace => (Bracket::Brace, Context::Statements),
                            Delimiter::Bracket => (Bracket::Square, Context::Arguments),
                            _ => (Bracket::Round, Context::Arguments),
                        };
                        nodes.push(Node::Group(bracket, tree(group.stream(), inner)));
                        if bracket == Bracket::Brace && context == Context::Statements && block_ends(&stream) {
                            end(&mut units, &mut nodes, End::Nothing);
                        }
                    }
                }
            }
            TokenTree::Ident(word) => nodes.push(Node::Leaf(word.to_string())),
            TokenTree::Literal(literal) => nodes.push(Node::Leaf(literal.to_string())),
        }
    }
    end(&mut units, &mut nodes, End::Nothing);
    units
}

fn is_arrow(node: &Node) -> bool {
    matches!(node, Node::Leaf(sign) if sign == "=>")
}

fn end(units: &mut Vec<Unit>, nodes: &mut Vec<Node>, end: End) {
    if !nodes.is_empty() {
        units.push(Unit { nodes: std::mem::take(nodes), end });
    }
}

/// After `#` or `#!`: whether a `doc` attribute follows, which is then gone.
fn skip_documentation(rest: &mut Vec<TokenTree>) -> bool {
    let inner = matches!(rest.last(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
    let at = rest.len().checked_sub(1 + usize::from(inner));
    let is_doc = at.and_then(|at| rest.get(at)).is_some_and(|token| match token {
        TokenTree::Group(group) => matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(word)) if word == "doc"),
        _ => false,
    });
    if is_doc {
        rest.truncate(at.unwrap_or(0));
    }
    is_doc
}

/// The longest operator that begins with a sign; a lifetime with its name.
fn operator(sign: char, spacing: Spacing, rest: &mut Vec<TokenTree>) -> String {
    let mut text = String::from(sign);
    if sign == '\'' {
        if let Some(TokenTree::Ident(word)) = rest.pop() {
            text += &word.to_string();
        }
        return text;
    }
    let mut joint = spacing == Spacing::Joint;
    while joint {
        let Some(TokenTree::Punct(next)) = rest.last() else { break };
        let longer = format!("{text}{}", next.as_char());
        if !OPERATORS.iter().any(|operator| operator.starts_with(&longer)) {
            break;
        }
        joint = next.spacing() == Spacing::Joint;
        text = longer;
        rest.pop();
    }
    text
}

/// What a block holds where that is one expression and nothing else.
fn lone_expression(group: &proc_macro2::Group) -> Option<TokenStream> {
    if group.delimiter() != Delimiter::Brace {
        return None;
    }
    let block: syn::Block = syn::parse2(TokenStream::from(TokenTree::Group(group.clone()))).ok()?;
    match block.stmts.as_slice() {
        [syn::Stmt::Expr(e, None)] => Some(e.to_token_stream()),
        _ => None,
    }
}

fn next_is_comma(rest: &[TokenTree]) -> bool {
    matches!(rest.last(), Some(TokenTree::Punct(p)) if p.as_char() == ',')
}

/// Whether what follows a block begins something new.
fn block_ends(rest: &[TokenTree]) -> bool {
    match rest.last() {
        Some(TokenTree::Ident(word)) => word != "else" && word != "as",
        Some(TokenTree::Punct(p)) => matches!(p.as_char(), '#' | '\''),
        Some(TokenTree::Literal(_)) | Some(TokenTree::Group(_)) | None => true,
    }
}
