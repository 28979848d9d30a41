//! Row values: `(a, b) = (1, 'x')`, `(a, b) IN ((1, 'x'), (2, 'y'))`, `(a, b) IN (SELECT ...)`.

use sqlparser::ast::{self, BinaryOperator, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, balanced, not};
use super::operator::comparison;
use super::subquery::{Around, JOINED, Joined, equals, is_null};
use crate::plan::{JoinKind, Node, Plan};
use crate::types::*;

/// The expressions of a row value, where this is one: `(a, b)` or `ROW(a, b)`.
pub(super) fn row(ast: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    match ast {
        ast::Expr::Tuple(exprs) => Some(exprs.iter().collect()),
        ast::Expr::Nested(inner) => row(inner),
        ast::Expr::Function(ast::Function { name, args: FunctionArguments::List(list), .. })
            if name.to_string().eq_ignore_ascii_case("row") =>
        {
            let expr = |arg: &'_ FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
            list.args.iter().all(expr).then(|| {
                let expr = |arg| if let &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref e)) = arg { Some(e) } else { None };
                list.args.iter().filter_map(expr).collect()
            })
        }
        _ => None,
    }
}

impl Binder<'_> {
    /// `(a, b) < (c, d)`: as the first pair says that is not equal.
    pub(super) fn compared_rows(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Result<Bound, QueryError> {
        let Some(op) = comparison(op) else {
            return Err(self.error(left.span(), format!("{op} is not defined for rows: write it for their values one by one")));
        };
        let span = left.span().union(&right.span());
        Ok(Bound::typed(self.row_comparison(left, op, right)?, span))
    }

    fn row_comparison(&mut self, left: &ast::Expr, op: BinaryOp, right: &ast::Expr) -> Result<Expr, QueryError> {
        let compare = |op, (left, right): &(Expr, Expr)| Expr::binary(op, left.clone(), right.clone(), DataType::Bool);
        let mut sides = Vec::new();
        for (left, right) in self.pairs(left, right)? {
            let span = left.span().union(&right.span());
            let (left, right) = (self.bind(left)?, self.bind(right)?);
            let compared = self.compared(left, right)?;
            self.check_copies(&compared.arg, 2, span)?;
            self.check_copies(&compared.value, 2, span)?;
            sides.push((compared.arg, compared.value));
        }
        let strictly = match op {
            BinaryOp::Equal => return Ok(balanced(BinaryOp::And, sides.iter().map(|pair| compare(op, pair)).collect())),
            BinaryOp::NotEqual => return Ok(balanced(BinaryOp::Or, sides.iter().map(|pair| compare(op, pair)).collect())),
            BinaryOp::LessOrEqual => BinaryOp::Less,
            BinaryOp::GreaterOrEqual => BinaryOp::Greater,
            other => other,
        };
        let Some(last) = sides.pop() else { unreachable!("a row has values") };
        Ok(sides.iter().rev().fold(compare(op, &last), |behind, pair| {
            let alike = compare(BinaryOp::Equal, pair).and(behind);
            Expr::binary(BinaryOp::Or, compare(strictly, pair), alike, DataType::Bool)
        }))
    }

    /// The values of two rows that are compared, side by side.
    fn pairs<'q>(&self, left: &'q ast::Expr, right: &'q ast::Expr) -> Result<Vec<(&'q ast::Expr, &'q ast::Expr)>, QueryError> {
        let (Some(of_left), Some(of_right)) = (row(left), row(right)) else {
            let other = if row(left).is_some() { right } else { left };
            let hint = match other {
                ast::Expr::Subquery(_) => "a row is compared with a subquery by IN: write (a, b) IN (SELECT ...)",
                _ => "a row is compared with a row: write (a, b) = (1, 'x')",
            };
            return Err(self.error(other.span(), hint));
        };
        if of_left.len() != of_right.len() || of_left.is_empty() {
            let message = format!("rows of {} and {} values are compared: make them alike", of_left.len(), of_right.len());
            return Err(self.error(left.span().union(&right.span()), message));
        }
        Ok(of_left.into_iter().zip(of_right).collect())
    }

    /// `(a, b) IN ((1, 'x'), (2, 'y'))`.
    pub(super) fn row_in_list(&mut self, arg: &ast::Expr, list: &[ast::Expr], negated: bool) -> Result<Bound, QueryError> {
        let equal = list.iter().map(|item| self.row_comparison(arg, BinaryOp::Equal, item)).collect::<Result<Vec<_>, _>>()?;
        let span = arg.span();
        if equal.is_empty() {
            return Err(self.error(span, "IN needs at least one value: write (a, b) IN ((1, 'x'), (2, 'y'))"));
        }
        self.check_copies(&equal[0], equal.len(), span)?;
        let any = balanced(BinaryOp::Or, equal);
        Ok(Bound::typed(if negated { not(any) } else { any }, span))
    }

    /// `(a, b) BETWEEN (1, 'x') AND (2, 'y')`.
    pub(super) fn row_between(&mut self, arg: &ast::Expr, low: &ast::Expr, high: &ast::Expr, negated: bool) -> Result<Bound, QueryError> {
        let from = self.row_comparison(arg, BinaryOp::GreaterOrEqual, low)?;
        let both = from.and(self.row_comparison(arg, BinaryOp::LessOrEqual, high)?);
        Ok(Bound::typed(if negated { not(both) } else { both }, arg.span()))
    }

    /// `(a, b) IS DISTINCT FROM (c, d)`.
    pub(super) fn row_is_distinct(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Result<Bound, QueryError> {
        let mut each = Vec::new();
        for (left, right) in self.pairs(left, right)? {
            let bound = self.is_distinct(left, right, negated)?;
            each.push(self.settle(bound)?);
        }
        let op = if negated { BinaryOp::And } else { BinaryOp::Or };
        Ok(Bound::typed(balanced(op, each), left.span().union(&right.span())))
    }

    /// `(a, b) IS NULL`: all of its values are; `(a, b) IS NOT NULL`: none of them is.
    pub(super) fn row_is_null(&mut self, exprs: &[&ast::Expr], negated: bool, span: Span) -> Result<Bound, QueryError> {
        let mut each = Vec::new();
        for ast in exprs {
            let bound = self.is_null(ast, negated)?;
            each.push(self.settle(bound)?);
        }
        if each.is_empty() {
            return Err(self.error(span, "a row has values: write (a, b)"));
        }
        Ok(Bound::typed(balanced(BinaryOp::And, each), span))
    }

    /// What finds out whether a row of values is compared to NULL with one of a subquery's rows: nothing in them differs, and something is NULL. `plan` puts out the values, and
    /// behind them the keys by which it is told apart; what is joined stands from column `first` on. Gives the joins, and the condition that reads them.
    ///
    /// Equalities alone find it: for each choice of values that are NULL around the subquery, and of those that are NULL in its row, the others are looked up.
    pub(super) fn row_unknown(
        &self,
        plan: &Plan,
        (args, around): (&[Expr], &Around),
        mut first: usize,
        span: Span,
    ) -> Result<(Vec<Joined>, Expr), QueryError> {
        let columns: Vec<Expr> = plan.columns().iter().enumerate().map(|(i, (_, t))| Expr::column(i, *t)).collect();
        let (values, keys) = columns.split_at(args.len());
        let of = |set: usize| (0..args.len()).filter(move |i| set >> i & 1 == 1);
        let all = (1_usize << args.len()) - 1;
        let (mut joins, mut unknown) = (Vec::new(), Vec::new());
        // None is NULL around the subquery, and all are compared: that is to be found, and not unknown.
        for (left, compared) in
            (0..=all).flat_map(|left| (0..=all).map(move |c| (left, c))).filter(|&(l, c)| l & c == 0 && (l, c) != (0, all))
        {
            let null_there = of(all & !left & !compared).map(|i| is_null(values[i].clone())).reduce(Expr::and);
            let rows = match null_there {
                Some(condition) => Plan::new(Node::Filter { input: Box::new(plan.clone()), condition }, plan.span.clone()),
                None => plan.clone(),
            };
            let kept = of(compared).map(|i| &values[i]).chain(keys).enumerate();
            let mut kept: Vec<_> = kept.map(|(i, expr)| NamedExpr { name: format!("value{i}"), expr: expr.clone() }).collect();
            let width = kept.len();
            kept.push(NamedExpr { name: "found".into(), expr: Expr::literal(Value::Bool(true), DataType::Bool) });
            let rows = Plan::new(Node::Project { input: Box::new(rows), columns: kept }, plan.span.clone());
            let rows = Plan::new(Node::Distinct { input: Box::new(rows) }, plan.span.clone());
            let at = |i: usize, t: DataType| Expr::column(JOINED + first + i, t);
            let alike = of(compared).enumerate().map(|(place, i)| equals(args[i].clone(), at(place, values[i].data_type)));
            let own_keys = keys.iter().enumerate().map(|(i, key)| at(width - keys.len() + i, key.data_type)).collect();
            let on = alike.chain(self.keys_meet(around, own_keys, span)?).reduce(Expr::and);
            joins.push((rows, JoinKind::Left, on));
            let is_there = not(is_null(at(width, DataType::Bool)));
            unknown.push(of(left).map(|i| is_null(args[i].clone())).fold(is_there, Expr::and));
            first += width + 1;
        }
        Ok((joins, balanced(BinaryOp::Or, unknown)))
    }
}
