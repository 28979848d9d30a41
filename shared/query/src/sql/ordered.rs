//! Aggregates that go by an order of rows: the log's, or one of their own.

use sqlparser::ast;
use sqlparser::tokenizer::Span;
use twopath_base::LogColumn;

use super::QueryError;
use super::aggregate::Finish;
use super::expr::Binder;
use super::function::Arguments;
use super::operator::cast;
use super::order::direction;
use crate::types::*;

/// Their names.
pub(super) const ORDERED: [&str; 11] =
    ["first_value", "last_value", "first", "last", "min_by", "max_by", "arg_min", "arg_max", "string_agg", "listagg", "group_concat"];

impl Binder<'_> {
    /// `when` leaves out what FILTER does.
    pub(super) fn in_order(
        &mut self,
        name: &str,
        args: Arguments<'_>,
        when: impl Fn(Expr) -> Expr,
        span: Span,
    ) -> Result<(Aggregate, Finish), QueryError> {
        let upper = name.to_uppercase();
        let is_list = matches!(name, "string_agg" | "listagg" | "group_concat");
        if !is_list && !args.within_group.is_empty() {
            let form = if args.list.len() == 2 { "c, d" } else { "c ORDER BY d" };
            return Err(self.error(span, format!("WITHIN GROUP is not supported in {upper}(...): write {upper}({form})")));
        }
        let by = match (args.within_group, args.order_by) {
            ([_, ..], [_, ..]) => return Err(self.error(span, format!("{upper} has one order: write ORDER BY in one place"))),
            (within, []) => within,
            (_, by) => by,
        };
        let order = by.iter().map(|by| {
            let (descending, nulls_first) = direction(self.source, by)?;
            Ok(Order { expr: self.expr(&by.expr)?, descending, nulls_first })
        });
        // OVER's, where there is none of its own.
        let order =
            order.chain(args.over.iter().filter(|_| by.is_empty() && !args.distinct).cloned().map(Ok)).collect::<Result<Vec<_>, _>>()?;
        match (name, &args.list[..]) {
            ("first_value" | "first" | "last_value" | "last", [arg]) if order.is_empty() => {
                self.in_log_order(name, arg, args.ignore_nulls, when, span)
            }
            ("first_value" | "first" | "last_value" | "last", [arg]) => {
                let value = self.expr(arg)?;
                let is_last = matches!(name, "last_value" | "last");
                let order = self.total(order, &value, is_last, span)?;
                Ok((first_by(value, &order, counted(&when), args.ignore_nulls, when), Finish::Nothing))
            }
            ("min_by" | "arg_min" | "max_by" | "arg_max", [arg, by]) => {
                let (value, by) = (self.expr(arg)?, self.expr(by)?);
                let there = Expr::new(ExprKind::IsNull { arg: Box::new(by.clone()), negated: true }, DataType::Bool);
                let counts = Expr::new(ExprKind::Case { branches: vec![(there, one())], otherwise: None }, DataType::Int);
                let first = Order { expr: by, descending: matches!(name, "max_by" | "arg_max"), nulls_first: false };
                let order = self.total(vec![first], &value, false, span)?;
                Ok((first_by(value, &order, when(counts), false, when), Finish::Nothing))
            }
            (_, [arg, rest @ ..]) if is_list && rest.len() <= 1 && !(name == "string_agg" && rest.is_empty()) => {
                let separator = match rest {
                    [ast] => self.expr_of(ast, DataType::Text, &format!("between the texts of {upper}"))?,
                    _ => Expr::literal(Value::Text(if name == "listagg" { "" } else { "," }.into()), DataType::Text),
                };
                self.texts(arg, separator, order, args.distinct, when, span)
            }
            _ => {
                let form = match name {
                    "string_agg" | "listagg" | "group_concat" => format!("{upper}(c, ',' ORDER BY d)"),
                    "min_by" | "arg_min" | "max_by" | "arg_max" => format!("{upper}(c, d)"),
                    _ => format!("{upper}(c)"),
                };
                Err(self.error(span, format!("{upper} takes other arguments: write {form}")))
            }
        }
    }

    /// FIRST_VALUE and LAST_VALUE: beside the value stands the row's place in the log, for rows that count.
    fn in_log_order(
        &mut self,
        name: &str,
        arg: &ast::Expr,
        ignore_nulls: bool,
        when: impl Fn(Expr) -> Expr,
        span: Span,
    ) -> Result<(Aggregate, Finish), QueryError> {
        let arg = self.expr(arg)?;
        let Some(places) = self.places() else {
            let (upper, relation) = (name.to_uppercase(), self.scope.known_as());
            let message = format!(
                "{upper} goes by the log's order, and {relation} does not say where its rows stand: write {upper}(c ORDER BY d), or put _arrival, _partition and _offset out there, too"
            );
            return Err(self.error(span, message));
        };
        let function = match name {
            "first_value" | "first" => AggregateFunction::FirstValue { ignore_nulls },
            _ => AggregateFunction::LastValue { ignore_nulls },
        };
        let beside = places.into_iter().map(&when).collect();
        Ok((Aggregate { function, arg: Some(when(arg)), beside }, Finish::Nothing))
    }

    /// Where rows stand in the log, if the relation says it.
    fn places(&self) -> Option<Vec<Expr>> {
        LogColumn::ORDER.into_iter().map(|column| self.scope.log_column(column)).collect()
    }

    /// An order in which no two rows are alike that give different values: behind what is written goes the log's order, or else the value. Reversed where the
    /// last row is wanted, and not the first.
    fn total(&self, mut order: Vec<Order>, value: &Expr, is_reversed: bool, span: Span) -> Result<Vec<Order>, QueryError> {
        let behind = self.places().unwrap_or_else(|| vec![value.clone()]);
        order.extend(behind.into_iter().map(|expr| Order { expr, descending: false, nulls_first: false }));
        if is_reversed {
            order.iter_mut().for_each(|by| (by.descending, by.nulls_first) = (!by.descending, !by.nulls_first));
        }
        if order.len() > Directions::MAX {
            return Err(self.error(span, "an aggregate goes by at most 13 columns: put them together, or leave some out"));
        }
        Ok(order)
    }

    /// STRING_AGG and its kind.
    fn texts(
        &mut self,
        arg: &ast::Expr,
        separator: Expr,
        order: Vec<Order>,
        distinct: bool,
        when: impl Fn(Expr) -> Expr,
        span: Span,
    ) -> Result<(Aggregate, Finish), QueryError> {
        if distinct && !matches!(separator.kind, ExprKind::Literal(_)) {
            return Err(self.error(span, "with DISTINCT there is one separator: write STRING_AGG(DISTINCT c, ',')"));
        }
        let value = self.expr(arg)?;
        let text = if value.data_type == DataType::Text { value.clone() } else { cast(value.clone(), DataType::Text) };
        let order = match &order[..] {
            _ if !distinct => self.total(order, &text, false, span)?,
            [] => vec![Order { expr: value, descending: false, nulls_first: false }],
            [by] if by.expr == value => order,
            _ => return Err(self.error(span, "with DISTINCT, texts go by themselves: write STRING_AGG(DISTINCT c, ',' ORDER BY c)")),
        };
        let function = AggregateFunction::StringAgg { distinct, order: Directions::of(&order) };
        let counts = counted(&when);
        let beside = std::iter::once(separator).chain(order.into_iter().map(|by| by.expr)).map(&when).chain([counts]).collect();
        Ok((Aggregate { function, arg: Some(when(text)), beside }, Finish::Nothing))
    }
}

fn one() -> Expr {
    Expr::literal(Value::Int(1), DataType::Int)
}

/// Something that is NULL in rows that FILTER leaves out.
fn counted(when: &impl Fn(Expr) -> Expr) -> Expr {
    when(one())
}

fn first_by(value: Expr, order: &[Order], counts: Expr, ignore_nulls: bool, when: impl Fn(Expr) -> Expr) -> Aggregate {
    let function = AggregateFunction::FirstBy { ignore_nulls, order: Directions::of(order) };
    let beside = order.iter().map(|by| when(by.expr.clone())).chain([counts]).collect();
    Aggregate { function, arg: Some(when(value)), beside }
}
