//! Binding of expressions: syntax tree in, typed expression out.

use sqlparser::ast::{self, BinaryOperator, Ident, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::from::Relations;
use super::group_window::GroupWindow;
use super::row::row;
use super::scope::{Column, Scope, same_name};
use super::select::Item;
use super::source::Source;
use super::subquery::{AROUND, Subquery};
use super::window_clause::NamedWindows;
use crate::function::Function;
use crate::lowering::nests_too_deeply;
use crate::plan::OverCall;
use crate::types::*;

/// A bound expression and its place. NULL and text in quotes have no type of their own yet: they take it from what they meet, as
/// PostgreSQL's "unknown" literals do.
pub(super) struct Bound {
    pub kind: BoundKind,
    pub span: Span,
}

pub(super) enum BoundKind {
    Typed(Expr),
    Null,
    Text(String),
    /// An interval of months, which has no fixed length: it can be added to a timestamp, and be a window's size.
    Months(i64),
}

/// Where an expression stands, which decides whether it may hold aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Where,
    Values,
    GroupBy,
    Argument,
    Select,
    Having,
    OrderBy,
}

/// A column that an expression reads outside aggregates, and where it does.
#[derive(Clone)]
pub(super) struct Read {
    /// The input's column.
    pub column: usize,
    /// The name as written: for a window's column not the topic's column that it is computed from.
    pub name: String,
    pub span: Span,
}

/// An output column, whose name HAVING and ORDER BY can use.
pub(super) struct Alias {
    pub name: String,
    pub expr: Expr,
    pub reads: Vec<Read>,
}

/// Binds the expressions of one query. Columns of the input keep their index; aggregate `i` becomes column `scope.width + i`.
pub(super) struct Binder<'a> {
    pub source: &'a Source<'a>,
    pub scope: Scope,
    pub place: Place,
    pub aggregates: Vec<Aggregate>,
    pub reads: Vec<Read>,
    pub aliases: Vec<Alias>,
    /// Calls of OVER, and where each stands.
    pub overs: Vec<(OverCall, Item)>,
    /// What GROUP BY cuts time by.
    pub group_window: Option<GroupWindow>,
    /// Calls of GROUPING: what each asks about, and where it stands.
    pub groupings: Vec<(Vec<Expr>, Span)>,
    /// What WINDOW names.
    pub windows: NamedWindows,
    /// What subqueries read from, where an expression may have some.
    pub relations: Option<Relations<'a>>,
    pub subqueries: Vec<Subquery>,
    /// Of a subquery: the names of the query around it, whether its WHERE is bound, where they mean something, and what was read of them.
    pub around: Option<Scope>,
    pub is_where: bool,
    pub around_reads: Vec<Read>,
}

impl Bound {
    pub fn typed(expr: Expr, span: Span) -> Self {
        Bound { kind: BoundKind::Typed(expr), span }
    }

    /// `None` while unknown.
    pub fn data_type(&self) -> Option<DataType> {
        match &self.kind {
            BoundKind::Typed(e) => Some(e.data_type),
            _ => None,
        }
    }
}

impl<'a> Binder<'a> {
    pub fn new(source: &'a Source<'a>, scope: Scope) -> Self {
        Binder {
            source,
            scope,
            place: Place::Where,
            aggregates: Vec::new(),
            reads: Vec::new(),
            aliases: Vec::new(),
            overs: Vec::new(),
            group_window: None,
            groupings: Vec::new(),
            windows: NamedWindows::default(),
            relations: None,
            subqueries: Vec::new(),
            around: None,
            is_where: false,
            around_reads: Vec::new(),
        }
    }

    pub fn error(&self, span: Span, message: impl Into<String>) -> QueryError {
        self.source.error(span, message)
    }

    /// Binds `ast`; what stays unknown becomes text.
    pub fn expr(&mut self, ast: &ast::Expr) -> Result<Expr, QueryError> {
        let bound = self.bind(ast)?;
        self.settle(bound)
    }

    pub fn settle(&self, bound: Bound) -> Result<Expr, QueryError> {
        match bound.kind {
            BoundKind::Typed(e) => Ok(e),
            _ => self.coerce(bound, DataType::Text, "here"),
        }
    }

    /// Binds `ast` and brings it to `to`; `what` names the place in the message.
    pub fn expr_of(&mut self, ast: &ast::Expr, to: DataType, what: &str) -> Result<Expr, QueryError> {
        let bound = self.bind(ast)?;
        self.coerce(bound, to, what)
    }

    pub fn bind(&mut self, ast: &ast::Expr) -> Result<Bound, QueryError> {
        use ast::Expr as A;
        match ast {
            A::Identifier(name) => self.column(name, name.span),
            A::CompoundIdentifier(parts) => self.qualified(parts),
            A::Nested(inner) => self.bind(inner),
            A::Value(value) => self.value(value),
            A::TypedString(typed) => self.typed_string(typed),
            A::Interval(interval) => self.interval(interval),
            A::UnaryOp { op, expr } => self.unary(*op, expr),
            A::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => self.chain(op, ast),
            A::BinaryOp { .. } => self.operators(ast),
            A::IsNull(arg) if row(arg).is_some() => self.row_is_null(&row(arg).unwrap_or_default(), false, arg.span()),
            A::IsNotNull(arg) if row(arg).is_some() => self.row_is_null(&row(arg).unwrap_or_default(), true, arg.span()),
            A::IsNull(arg) => self.is_null(arg, false),
            A::IsNotNull(arg) => self.is_null(arg, true),
            A::IsTrue(arg) => self.is_truth(arg, Some(true), false),
            A::IsNotTrue(arg) => self.is_truth(arg, Some(true), true),
            A::IsFalse(arg) => self.is_truth(arg, Some(false), false),
            A::IsNotFalse(arg) => self.is_truth(arg, Some(false), true),
            A::IsUnknown(arg) => self.is_truth(arg, None, false),
            A::IsNotUnknown(arg) => self.is_truth(arg, None, true),
            A::IsDistinctFrom(left, right) if row(left).is_some() => self.row_is_distinct(left, right, false),
            A::IsNotDistinctFrom(left, right) if row(left).is_some() => self.row_is_distinct(left, right, true),
            A::IsDistinctFrom(left, right) => self.is_distinct(left, right, false),
            A::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true),
            A::Between { expr, negated, low, high } if row(expr).is_some() => self.row_between(expr, low, high, *negated),
            A::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            A::In { expr, target: ast::InTarget::List(list), negated, .. } if row(expr).is_some() => self.row_in_list(expr, list, *negated),
            A::In { expr, target: ast::InTarget::List(list), negated, .. } => self.in_list(expr, list, *negated),
            A::Case { operand, conditions, else_result, case_token, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), case_token.0.span)
            }
            A::Cast { kind, expr, data_type, format } => self.cast_ast(kind, expr, data_type, format.is_some()),
            A::Extract { field, expr, .. } => self.extract(field, expr),
            A::Function(function) => self.function(function),
            A::Floor { expr, field } => self.whole(Function::Floor, expr, field),
            A::Ceil { expr, field } => self.whole(Function::Ceil, expr, field),
            A::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(false, *negated, expr, pattern, escape_char.as_deref())
            }
            A::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(true, *negated, expr, pattern, escape_char.as_deref())
            }
            A::Like { expr, .. } | A::ILike { expr, .. } | A::SimilarTo { expr, .. } | A::RLike { expr, .. } => Err(self.error(
                expr.span(),
                "this form of pattern is not supported: write c ~ '^a.*b', a regular expression, or c LIKE 'a%b', with % for any text and _ for one character",
            )),
            A::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(expr, substring_from.as_deref(), substring_for.as_deref())
            }
            A::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.trim(*trim_where, trim_what.as_deref(), expr, trim_characters.as_deref())
            }
            A::Position { expr, r#in } => self.position(r#in, expr),
            A::AtTimeZone { timestamp, time_zone } => self.at_time_zone(timestamp, time_zone),
            A::In { expr, target: ast::InTarget::Subquery(query), negated, .. } => self.in_subquery(expr, query, *negated),
            A::In { expr, .. } => Err(self.error(expr.span(), "this form of IN is not supported: write c IN ('a', 'b') or c IN (SELECT ...)")),
            A::Exists { subquery, negated } => self.exists(subquery, *negated),
            A::Subquery(query) => self.one_value(query),
            A::AnyOp { left, compare_op, right, .. } => self.quantified((left, compare_op, right), false),
            A::AllOp { left, compare_op, right } => self.quantified((left, compare_op, right), true),
            A::Wildcard(_) | A::QualifiedWildcard(..) => Err(self.error(ast.span(), "* stands only in SELECT * and COUNT(*)")),
            A::Tuple(_) => Err(self.error(ast.span(), "a row of values is compared with another one, and neither put out nor nested: write (a, b) = (1, 'x'), (a, b) IN (...), or two columns")),
            A::Overlay { expr, .. } => {
                Err(self.error(expr.span(), "OVERLAY is not supported: join LEFT(c, n), the new text and SUBSTRING(c FROM m) with ||"))
            }
            A::GroupingSets(_) | A::Cube(_) | A::Rollup(_) => {
                Err(self.error(ast.span(), "grouping sets stand in GROUP BY: write GROUP BY ROLLUP (a, b)"))
            }
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                Err(self.error(other.span(), format!("'{text}' is not supported in queries")))
            }
        }
    }

    fn column(&mut self, name: &Ident, span: Span) -> Result<Bound, QueryError> {
        let (found, expr) = match self.scope.named(name)[..] {
            [one] => (one.name.clone(), one.expr.clone()),
            [] => match self.alias(name, span) {
                Ok(alias) => return Ok(alias),
                Err(unknown) => {
                    let found = self.around(|scope| scope.named(name), |c| &c.expr, span)?;
                    return found.map(|(found, expr)| self.read_around(found, expr, span)).ok_or(unknown);
                }
            },
            [first, ..] => {
                let known_as = self.scope.known_as();
                let message = if self.scope.relations.len() > 1 {
                    let relation = self.scope.relations[first.relation].known_as();
                    format!("{known_as} both have a column '{0}': write {relation}.{0}", name.value)
                } else {
                    format!("{known_as} has several columns '{}': give them names of their own with AS", name.value)
                };
                return Err(self.error(span, message));
            }
        };
        Ok(self.read(found, expr, span))
    }

    /// The column of the query around this one that is meant, if it is one.
    ///
    /// # Errors
    /// It is, and stands elsewhere than in WHERE.
    fn around(
        &self,
        named: impl Fn(&Scope) -> Vec<&Column>,
        meant: impl Fn(&Column) -> &Expr,
        span: Span,
    ) -> Result<Option<(String, Expr)>, QueryError> {
        let Some(scope) = &self.around else { return Ok(None) };
        match named(scope)[..] {
            [one] if self.is_where => Ok(Some((one.name.clone(), meant(one).clone()))),
            [one] => {
                let message = format!(
                    "'{0}' is of the query around this one, with which a subquery is compared in its WHERE alone: write WHERE s.key = {0} there, or a JOIN",
                    one.name
                );
                Err(self.error(span, message))
            }
            _ => Ok(None),
        }
    }

    fn read_around(&mut self, found: String, expr: Expr, span: Span) -> Bound {
        expr.visit(&mut |e| {
            if let ExprKind::Column(column) = e.kind {
                self.around_reads.push(Read { column, name: found.clone(), span });
            }
        });
        Bound::typed(expr.renumbered(|i| AROUND + i), span)
    }

    fn read(&mut self, found: String, expr: Expr, span: Span) -> Bound {
        expr.visit(&mut |e| {
            if let ExprKind::Column(column) = e.kind {
                self.reads.push(Read { column, name: found.clone(), span });
            }
        });
        Bound::typed(expr, span)
    }

    /// A name that no column has: in HAVING and ORDER BY it may be that of an output column.
    fn alias(&mut self, name: &Ident, span: Span) -> Result<Bound, QueryError> {
        if matches!(self.place, Place::Having | Place::OrderBy) {
            let mut named = self.aliases.iter().filter(|a| same_name(name, &a.name));
            if let Some(first) = named.next() {
                if named.any(|other| other.expr != first.expr) {
                    return Err(
                        self.error(span, format!("two output columns have the name '{}': give them names of their own", name.value))
                    );
                }
                self.reads.extend(first.reads.iter().cloned());
                return Ok(Bound::typed(first.expr.clone(), span));
            }
        }
        let hint = match name.quote_style {
            Some('"') if self.scope.columns.is_empty() => " (text stands in single quotes)".to_owned(),
            Some('"') => format!(" (text stands in single quotes: '{}')", name.value),
            _ => String::new(),
        };
        Err(self.error(span, self.scope.unknown_column(&name.value) + &hint))
    }

    fn qualified(&mut self, parts: &[Ident]) -> Result<Bound, QueryError> {
        let span = parts.iter().map(|p| p.span).reduce(|a, b| a.union(&b)).unwrap_or(Span::empty());
        match parts {
            [relation, name] if self.scope.is_relation(relation) => match self.scope.named_in(relation, name)[..] {
                [one] => {
                    let (found, own) = (one.name.clone(), one.own.clone());
                    Ok(self.read(found, own, span))
                }
                [] => Err(self.error(span, self.scope.unknown_column(&name.value))),
                _ => {
                    let message = format!("{} has several columns '{}': give them names of their own with AS", relation.value, name.value);
                    Err(self.error(span, message))
                }
            },
            [relation, name] => {
                let of_around = self.around(
                    |scope| if scope.is_relation(relation) { scope.named_in(relation, name) } else { Vec::new() },
                    |c| &c.own,
                    span,
                )?;
                if let Some((found, expr)) = of_around {
                    return Ok(self.read_around(found, expr, span));
                }
                if let Some(scope) = self.around.as_ref().filter(|scope| scope.is_relation(relation)) {
                    return Err(self.error(span, scope.unknown_column(&name.value)));
                }
                let message = match &self.scope.known_as()[..] {
                    "" => format!("no relation '{}' is known where nothing is read: write FROM and a topic", relation.value),
                    known_as => format!("no relation '{}' in this query: FROM names it {known_as}", relation.value),
                };
                Err(self.error(relation.span, message))
            }
            _ => Err(self.error(span, "a column is written as column or relation.column")),
        }
    }

    /// `a AND b AND c`, `a OR b OR c`: the parser nests them to the left.
    fn chain(&mut self, op: &BinaryOperator, ast: &ast::Expr) -> Result<Bound, QueryError> {
        let bound_op = if *op == BinaryOperator::And { BinaryOp::And } else { BinaryOp::Or };
        let mut operands: Vec<&ast::Expr> = Vec::new();
        let mut rest = ast;
        while let ast::Expr::BinaryOp { left, op: o, right } = rest
            && o == op
        {
            operands.push(right);
            rest = left;
        }
        operands.push(rest);
        let what = format!("beside {}", bound_op.sql_name());
        let mut span = Span::empty();
        let mut conditions = Vec::with_capacity(operands.len());
        for operand in operands.into_iter().rev() {
            let bound = self.bind(operand)?;
            span = span.union(&bound.span);
            conditions.push(self.coerce(bound, DataType::Bool, &what)?);
        }
        Ok(Bound::typed(balanced(bound_op, conditions), span))
    }

    /// `a + b - c`: the parser nests them to the left, as deep as the text is long, so that this goes along them without going deeper.
    fn operators(&mut self, ast: &ast::Expr) -> Result<Bound, QueryError> {
        let mut operands = Vec::new();
        let mut first = ast;
        while let ast::Expr::BinaryOp { left, op, right } = first
            && !matches!(op, BinaryOperator::And | BinaryOperator::Or)
            && !compares_rows(first)
        {
            operands.push((op, &**right));
            first = left;
        }
        let mut bound = match first {
            ast::Expr::BinaryOp { left, op, right } if compares_rows(first) => self.compared_rows(left, op, right)?,
            first => self.bind(first)?,
        };
        for (op, right) in operands.into_iter().rev() {
            let right = self.bind(right)?;
            bound = self.binary_ast(op, bound, right)?;
        }
        Ok(bound)
    }

    /// Refuses an expression that could be written to a manifest, but not read again.
    pub fn check_nesting(&self, expr: &Expr, span: Span) -> Result<(), QueryError> {
        if nests_too_deeply(expr) {
            return Err(self.error(span, "the expression nests too deeply: split it into several output columns, or put parentheses so that both sides of its operators are alike in length"));
        }
        Ok(())
    }

    /// Refuses to copy a large expression often, as nested short forms would.
    pub fn check_copies(&self, expr: &Expr, copies: usize, span: Span) -> Result<(), QueryError> {
        if expr.size() * copies > COPIED_MAX {
            let message = "this short form of a large expression becomes too large: put the expression out as a column of its own, or write it with fewer COALESCE, NULLIF, ABS, BETWEEN, IN inside one another";
            return Err(self.error(span, message));
        }
        Ok(())
    }

    pub(super) fn is_null(&mut self, arg: &ast::Expr, negated: bool) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let span = bound.span;
        let arg = Box::new(self.settle(bound)?);
        Ok(Bound::typed(Expr::new(ExprKind::IsNull { arg, negated }, DataType::Bool), span))
    }

    /// `IS [NOT] TRUE`, `IS [NOT] FALSE`, `IS [NOT] UNKNOWN`: never NULL.
    fn is_truth(&mut self, arg: &ast::Expr, wanted: Option<bool>, negated: bool) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let span = bound.span;
        let arg = self.coerce(bound, DataType::Bool, "before IS TRUE, FALSE or UNKNOWN")?;
        let kind = match wanted {
            None => ExprKind::IsNull { arg: Box::new(arg), negated },
            Some(wanted) => {
                let condition = if wanted { arg } else { not(arg) };
                let branches = vec![(condition, Expr::literal(Value::Bool(!negated), DataType::Bool))];
                ExprKind::Case { branches, otherwise: Some(Box::new(Expr::literal(Value::Bool(negated), DataType::Bool))) }
            }
        };
        Ok(Bound::typed(Expr::new(kind, DataType::Bool), span))
    }

    /// `a IS DISTINCT FROM b`: as `a <> b`, with NULL as one more value.
    pub(super) fn is_distinct(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Result<Bound, QueryError> {
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        let span = left.span.union(&right.span);
        let (left, right) = self.unify_two(left, right, "compared by IS DISTINCT FROM")?;
        self.check_copies(&left, 2, span)?;
        self.check_copies(&right, 3, span)?;
        let op = if negated { BinaryOp::Equal } else { BinaryOp::NotEqual };
        let is_null = |arg: &Expr, negated| Expr::new(ExprKind::IsNull { arg: Box::new(arg.clone()), negated }, DataType::Bool);
        let branches = vec![
            (is_null(&left, false), is_null(&right, !negated)),
            (is_null(&right, false), Expr::literal(Value::Bool(!negated), DataType::Bool)),
        ];
        let otherwise = Some(Box::new(Expr::binary(op, left, right, DataType::Bool)));
        Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise }, DataType::Bool), span))
    }

    fn between(&mut self, arg: &ast::Expr, low: &ast::Expr, high: &ast::Expr, negated: bool) -> Result<Bound, QueryError> {
        let bounds = vec![self.bind(arg)?, self.bind(low)?, self.bind(high)?];
        let span = bounds[0].span.union(&bounds[2].span);
        let mut exprs = self.unify(bounds, "compared by BETWEEN")?.into_iter();
        let (Some(arg), Some(low), Some(high)) = (exprs.next(), exprs.next(), exprs.next()) else {
            unreachable!("three expressions in, three out");
        };
        self.check_copies(&arg, 2, span)?;
        let from = Expr::binary(BinaryOp::GreaterOrEqual, arg.clone(), low, DataType::Bool);
        let to = Expr::binary(BinaryOp::LessOrEqual, arg, high, DataType::Bool);
        let both = Expr::binary(BinaryOp::And, from, to, DataType::Bool);
        Ok(Bound::typed(if negated { not(both) } else { both }, span))
    }

    pub(super) fn in_list(&mut self, arg: &ast::Expr, list: &[ast::Expr], negated: bool) -> Result<Bound, QueryError> {
        let mut all = vec![self.bind(arg)?];
        for item in list {
            all.push(self.bind(item)?);
        }
        let span = all.iter().map(|b| b.span).reduce(|a, b| a.union(&b)).unwrap_or(Span::empty());
        if list.is_empty() {
            return Err(self.error(span, "IN needs at least one value: write c IN ('a', 'b')"));
        }
        let mut exprs = self.unify(all, "compared by IN")?;
        let arg = exprs.remove(0);
        self.check_copies(&arg, exprs.len(), span)?;
        let equal = exprs.into_iter().map(|e| Expr::binary(BinaryOp::Equal, arg.clone(), e, DataType::Bool)).collect();
        let any = balanced(BinaryOp::Or, equal);
        Ok(Bound::typed(if negated { not(any) } else { any }, span))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        span: Span,
    ) -> Result<Bound, QueryError> {
        let mut whens = Vec::with_capacity(conditions.len());
        match operand {
            None => {
                for when in conditions {
                    whens.push(self.expr_of(&when.condition, DataType::Bool, "after WHEN")?);
                }
            }
            Some(operand) => {
                let mut all = vec![self.bind(operand)?];
                for when in conditions {
                    all.push(self.bind(&when.condition)?);
                }
                let mut exprs = self.unify(all, "compared by CASE")?;
                let operand = exprs.remove(0);
                self.check_copies(&operand, exprs.len(), span)?;
                whens.extend(exprs.into_iter().map(|e| Expr::binary(BinaryOp::Equal, operand.clone(), e, DataType::Bool)));
            }
        }
        let mut values = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            values.push(self.bind(&when.result)?);
        }
        if let Some(otherwise) = otherwise {
            values.push(self.bind(otherwise)?);
        }
        let mut values = self.unify(values, "given by the branches of CASE")?;
        let data_type = values[0].data_type;
        let otherwise = if otherwise.is_some() { values.pop().map(Box::new) } else { None };
        let branches = whens.into_iter().zip(values).collect();
        Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise }, data_type), span))
    }
}

/// How many nodes the copies of one expression may have.
const COPIED_MAX: usize = 10_000;

/// Whether an operator stands between row values.
fn compares_rows(ast: &ast::Expr) -> bool {
    let ast::Expr::BinaryOp { left, op, right } = ast else { return false };
    !matches!(op, BinaryOperator::And | BinaryOperator::Or) && (row(left).is_some() || row(right).is_some())
}

pub(super) fn not(arg: Expr) -> Expr {
    Expr::new(ExprKind::Unary { op: UnaryOp::Not, arg: Box::new(arg) }, DataType::Bool)
}

/// AND or OR over all, in order, as a balanced tree, so that a long list makes no deep one. What is evaluated, and in which order, is the
/// same as from left to right: what decides a part decides all.
pub(super) fn balanced(op: BinaryOp, mut conditions: Vec<Expr>) -> Expr {
    if conditions.len() == 1 {
        return conditions.remove(0);
    }
    let right = conditions.split_off(conditions.len() / 2);
    Expr::binary(op, balanced(op, conditions), balanced(op, right), DataType::Bool)
}
