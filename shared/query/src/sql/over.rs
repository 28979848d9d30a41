//! OVER: values that a row gets from those beside it.

use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::Span;
use twopath_base::LogColumn;

use super::QueryError;
use super::aggregate::{AGGREGATES, Finish};
use super::expr::{Binder, Bound, Place};
use super::function::Arguments;
use super::grouping::Groups;
use super::operator::cast;
use super::order::direction;
use super::select::Item;
use crate::plan::{Frame, OverCall, OverFunction};
use crate::types::*;

/// While a statement is bound, call `i` of OVER is column `OVER + i`.
pub(super) const OVER: usize = 1 << 40;

impl Binder<'_> {
    pub(super) fn over(&mut self, name: &str, call: &ast::Function, over: &ast::WindowType, span: Span) -> Result<Bound, QueryError> {
        if !matches!(self.place, Place::Select | Place::OrderBy) {
            let message = "OVER stands in the select list: name it in a subquery, and use the name, as in FROM (SELECT ..., ROW_NUMBER() OVER (...) AS n FROM t) s WHERE n <= 3";
            return Err(self.error(span, message));
        }
        let before = self.reads.len();
        let spec = self.windows.over(self.source, over)?;
        let (partition_by, order_by, frame) = self.window_of(&spec, span)?;
        let share = match name {
            "ntile" | "percent_rank" | "cume_dist" => Some(self.share(name, call, span)?),
            _ => None,
        };
        // What a row is of its partition goes by its order, whatever frame is written.
        let frame = match &share {
            None => frame,
            Some(_) if order_by.is_empty() => Frame::Partition,
            Some(_) => Frame::Range { before: None },
        };
        let (function, finish) = match &share {
            None => self.over_function(name, call, &order_by, span)?,
            Some(Share::Part(_)) => (OverFunction::RowNumber, Finish::Nothing),
            Some(Share::Rank) => (OverFunction::Rank, Finish::Nothing),
            Some(Share::UpTo) => (OverFunction::Aggregate(Aggregate::new(AggregateFunction::Count, None)), Finish::Nothing),
        };
        let reads = self.reads[before..].to_vec();
        let item = Item { name: name.to_owned(), expr: Expr::literal(Value::Null, function.data_type()), reads, span };
        let all = share.as_ref().map(|_| {
            let rows = OverFunction::Aggregate(Aggregate::new(AggregateFunction::Count, None));
            OverCall { function: rows, partition_by: partition_by.clone(), order_by: Vec::new(), frame: Frame::Partition }
        });
        let value = self.over_value(OverCall { function, partition_by, order_by, frame }, &item);
        let value = match (share, all) {
            (Some(share), Some(all)) => share.of(value, self.over_value(all, &item)),
            _ => finish.of(value),
        };
        Ok(Bound::typed(value, span))
    }

    /// What rows are partitioned and ordered by, and the frame.
    pub(super) fn window_of(&mut self, spec: &ast::WindowSpec, span: Span) -> Result<(Vec<Expr>, Vec<Order>, Frame), QueryError> {
        let partition_by = spec.partition_by.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>, _>>()?;
        let mut order_by = spec.order_by.iter().map(|by| self.over_order(by)).collect::<Result<Vec<_>, _>>()?;
        let by_log = order_by.is_empty() && spec.window_frame.is_some();
        if by_log {
            order_by = self.log_order(span)?;
        }
        let frame = match &spec.window_frame {
            None if order_by.is_empty() => Frame::Partition,
            None => Frame::Range { before: None },
            Some(frame) => self.frame(frame, &order_by, span)?,
        };
        Ok((partition_by, order_by, frame))
    }

    fn over_value(&mut self, call: OverCall, item: &Item) -> Expr {
        let data_type = call.function.data_type();
        let number = self.overs.iter().position(|(known, _)| *known == call).unwrap_or_else(|| {
            self.overs.push((call, item.clone()));
            self.overs.len() - 1
        });
        Expr::column(OVER + number, data_type)
    }

    /// NTILE, PERCENT_RANK and CUME_DIST.
    fn share(&mut self, name: &str, call: &ast::Function, span: Span) -> Result<Share, QueryError> {
        let args = self.arguments(call, name, span)?;
        match (name, &args.list[..]) {
            ("percent_rank", []) => Ok(Share::Rank),
            ("cume_dist", []) => Ok(Share::UpTo),
            ("ntile", [parts]) => match self.expr(parts)?.kind {
                ExprKind::Literal(Value::Int(parts @ 1..)) => Ok(Share::Part(parts)),
                _ => Err(self.error(span, "NTILE takes a number of parts, from 1 on: write NTILE(4)")),
            },
            ("ntile", _) => Err(self.error(span, "NTILE takes a number of parts: write NTILE(4)")),
            _ => Err(self.error(span, format!("{0} takes no arguments: write {0}()", name.to_uppercase()))),
        }
    }

    fn over_function(
        &mut self,
        name: &str,
        call: &ast::Function,
        order_by: &[Order],
        span: Span,
    ) -> Result<(OverFunction, Finish), QueryError> {
        let plain = |function| Ok((function, Finish::Nothing));
        let args = Arguments { over: order_by.to_vec(), ..self.arguments(call, name, span)? };
        if args.ignore_nulls {
            return match (name, &args.list[..]) {
                ("first_value" | "last_value", [arg]) => {
                    plain(OverFunction::Known { arg: self.expr(arg)?, last: name == "last_value" })
                }
                _ => Err(self.error(
                    span,
                    "with OVER, IGNORE NULLS goes with FIRST_VALUE and LAST_VALUE: write LAST_VALUE(x) IGNORE NULLS OVER (ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) for the last one before",
                )),
            };
        }
        match (name, &args.list[..]) {
            ("row_number", []) => plain(OverFunction::RowNumber),
            ("rank", []) => plain(OverFunction::Rank),
            ("dense_rank", []) => plain(OverFunction::DenseRank),
            ("first_value", [arg]) => plain(OverFunction::First(self.expr(arg)?)),
            ("last_value", [arg]) => plain(OverFunction::Last(self.expr(arg)?)),
            ("nth_value", [arg, row]) => match self.expr(row)?.kind {
                ExprKind::Literal(Value::Int(n @ 1..)) => plain(OverFunction::Nth { arg: self.expr(arg)?, row: n.unsigned_abs() }),
                _ => Err(self.error(row.span(), "NTH_VALUE takes the number of a row of the frame, from 1 on: write NTH_VALUE(x, 2)")),
            },
            ("nth_value", _) => {
                Err(self.error(span, "NTH_VALUE takes a value and the number of a row of the frame: write NTH_VALUE(x, 2)"))
            }
            ("lag" | "lead", [arg, rest @ ..]) if rest.len() <= 2 => {
                let arg = self.expr(arg)?;
                let rows = match rest.first() {
                    None => 1,
                    Some(ast) => match self.expr(ast)?.kind {
                        ExprKind::Literal(Value::Int(rows)) if rows.checked_neg().is_some() => rows,
                        _ => return Err(self.error(ast.span(), format!("{} goes back by a whole number of rows", name.to_uppercase()))),
                    },
                };
                let (arg, default) = match rest.get(1) {
                    None => (arg, None),
                    Some(ast) => {
                        let (value, default) = (Bound::typed(arg, span), self.bind(ast)?);
                        let (arg, default) =
                            self.unify_two(value, default, &format!("a value of {} and its default", name.to_uppercase()))?;
                        (arg, Some(default))
                    }
                };
                plain(OverFunction::Lag { arg, rows: if name == "lag" { rows } else { -rows }, default })
            }
            _ if AGGREGATES.contains(&name) => {
                let (aggregate, finish) = self.aggregate_of(name, args, call.filter.as_deref(), span)?;
                Ok((OverFunction::Aggregate(aggregate), finish))
            }
            _ => {
                let message = format!(
                    "{}(...) OVER is not supported: ROW_NUMBER(), RANK(), DENSE_RANK(), PERCENT_RANK(), CUME_DIST(), NTILE(n), LAG, LEAD, FIRST_VALUE, LAST_VALUE, NTH_VALUE and all aggregates are",
                    name.to_uppercase()
                );
                Err(self.error(span, message))
            }
        }
    }

    fn over_order(&mut self, by: &ast::OrderByExpr) -> Result<Order, QueryError> {
        let (descending, nulls_first) = direction(self.source, by)?;
        let expr = self.expr(&by.expr)?;
        Ok(Order { expr, descending, nulls_first })
    }

    /// Rows without an order of their own stand in the log's.
    fn log_order(&self, span: Span) -> Result<Vec<Order>, QueryError> {
        let by = LogColumn::ORDER.into_iter().map(|column| {
            let expr = self.scope.log_column(column).ok_or_else(|| {
                let message = "without ORDER BY rows stand in the log's order, which this relation does not say: put _arrival, _partition and _offset out there, or write ORDER BY";
                self.error(span, message)
            })?;
            Ok(Order { expr, descending: false, nulls_first: false })
        });
        by.collect()
    }
}

/// What is computed of a row's number or rank and of how many rows its partition has.
enum Share {
    /// NTILE: which of so many parts of like size, of which the first ones are larger by a row.
    Part(i64),
    /// PERCENT_RANK.
    Rank,
    /// CUME_DIST.
    UpTo,
}

impl Share {
    fn of(&self, value: Expr, all: Expr) -> Expr {
        let int = |i: i64| Expr::literal(Value::Int(i), DataType::Int);
        let of = |op, a: &Expr, b: &Expr| Expr::binary(op, a.clone(), b.clone(), DataType::Int);
        let (add, subtract) = (|a: &Expr, b: &Expr| of(BinaryOp::Add, a, b), |a: &Expr, b: &Expr| of(BinaryOp::Subtract, a, b));
        let divided = |a: Expr, b: Expr| {
            let (a, b) = (cast(a, DataType::Float), cast(b, DataType::Float));
            Expr::binary(BinaryOp::Divide, a, b, DataType::Float)
        };
        let case = |condition: Expr, value: Expr, otherwise: Expr| {
            let data_type = value.data_type;
            Expr::new(ExprKind::Case { branches: vec![(condition, value)], otherwise: Some(Box::new(otherwise)) }, data_type)
        };
        let one = int(1);
        match self {
            Share::UpTo => divided(value, all),
            Share::Rank => {
                let alone = Expr::binary(BinaryOp::Equal, all.clone(), one.clone(), DataType::Bool);
                let zero = Expr::literal(Value::Float(0.0), DataType::Float);
                case(alone, zero, divided(subtract(&value, &one), subtract(&all, &one)))
            }
            Share::Part(parts) => {
                let least = of(BinaryOp::Divide, &all, &int(*parts));
                let larger = of(BinaryOp::Modulo, &all, &int(*parts));
                let most = add(&least, &one);
                let in_larger = of(BinaryOp::Multiply, &larger, &most);
                let is_in_larger = Expr::binary(BinaryOp::LessOrEqual, value.clone(), in_larger.clone(), DataType::Bool);
                let before = subtract(&value, &one);
                let of_larger = add(&of(BinaryOp::Divide, &before, &most), &one);
                let behind = of(BinaryOp::Divide, &subtract(&before, &in_larger), &least);
                case(is_in_larger, of_larger, add(&add(&behind, &larger), &one))
            }
        }
    }
}

/// A call over groups' rows, where there are groups.
pub(super) fn over_groups(call: &OverCall, item: &Item, groups: Option<&Groups<'_>>) -> Result<OverCall, QueryError> {
    let Some(groups) = groups else { return Ok(call.clone()) };
    let of = |expr: &Expr| groups.of_group(&Item { expr: expr.clone(), ..item.clone() });
    let function = match &call.function {
        OverFunction::Aggregate(aggregate) => {
            let beside = aggregate.beside.iter().map(of).collect::<Result<_, _>>()?;
            let arg = aggregate.arg.as_ref().map(of).transpose()?;
            OverFunction::Aggregate(Aggregate { function: aggregate.function, arg, beside })
        }
        OverFunction::Lag { arg, rows, default } => {
            OverFunction::Lag { arg: of(arg)?, rows: *rows, default: default.as_ref().map(of).transpose()? }
        }
        OverFunction::First(arg) => OverFunction::First(of(arg)?),
        OverFunction::Last(arg) => OverFunction::Last(of(arg)?),
        OverFunction::Nth { arg, row } => OverFunction::Nth { arg: of(arg)?, row: *row },
        OverFunction::Known { arg, last } => OverFunction::Known { arg: of(arg)?, last: *last },
        ranked @ (OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank) => ranked.clone(),
    };
    let order_by = call.order_by.iter().map(|o| Ok(Order { expr: of(&o.expr)?, ..*o })).collect::<Result<_, QueryError>>()?;
    Ok(OverCall { function, partition_by: call.partition_by.iter().map(of).collect::<Result<_, _>>()?, order_by, frame: call.frame })
}

/// The expression over rows that have the calls' values behind their `width` columns.
pub(super) fn with_overs(expr: &Expr, width: usize) -> Expr {
    expr.renumbered(|i| if i >= OVER { width + i - OVER } else { i })
}
