//! Frames of OVER: which rows beside a row count.

use sqlparser::ast::WindowFrameBound::{CurrentRow, Following, Preceding};
use sqlparser::ast::{self, Spanned, WindowFrameUnits};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, BoundKind};
use crate::decimal::Decimal;
use crate::plan::{Distance, Frame};
use crate::types::*;

impl Binder<'_> {
    /// Of several frames that are one, the plainest.
    pub(super) fn frame(&self, frame: &ast::WindowFrame, order_by: &[Order], span: Span) -> Result<Frame, QueryError> {
        let (start, end) = (&frame.start_bound, frame.end_bound.as_ref().unwrap_or(&CurrentRow));
        self.check_bounds(start, end, span)?;
        let counts = |span| Ok((self.count(start, span)?, self.count(end, span)?));
        match (frame.units, start, end) {
            (_, Preceding(None), Following(None)) => Ok(Frame::Partition),
            (WindowFrameUnits::Rows, ..) => counts(span).map(rows),
            (_, Preceding(None), CurrentRow) => Ok(Frame::Range { before: None }),
            (WindowFrameUnits::Range, Preceding(Some(_)) | Following(Some(_)), _) => self.range(start, end, order_by, span),
            (WindowFrameUnits::Range, _, Preceding(Some(_)) | Following(Some(_))) => self.range(start, end, order_by, span),
            // Without a distance, the frame of RANGE goes by peers.
            _ => counts(span).map(|(start, end)| Frame::GroupsBetween { start: start.map(clamped), end: end.map(clamped) }),
        }
    }

    /// That the frame does not end before it starts, whatever the numbers are.
    fn check_bounds(&self, start: &ast::WindowFrameBound, end: &ast::WindowFrameBound, span: Span) -> Result<(), QueryError> {
        let message = match (start, end) {
            (Following(None), _) => "a frame does not start at UNBOUNDED FOLLOWING: write BETWEEN UNBOUNDED PRECEDING AND ...",
            (_, Preceding(None)) => "a frame does not end at UNBOUNDED PRECEDING: write BETWEEN ... AND UNBOUNDED FOLLOWING",
            (Following(_), CurrentRow) => {
                "a frame that starts behind the row does not end at it: write BETWEEN n FOLLOWING AND m FOLLOWING (m or UNBOUNDED)"
            }
            (CurrentRow | Following(_), Preceding(_)) => {
                "a frame does not end before it starts: write BETWEEN n PRECEDING AND m PRECEDING (n or UNBOUNDED)"
            }
            _ => return Ok(()),
        };
        Err(self.error(span, message))
    }

    /// How many rows, or groups of peers, behind the row; `None` for all.
    fn count(&self, bound: &ast::WindowFrameBound, span: Span) -> Result<Option<i128>, QueryError> {
        let count = |ast: &ast::Expr| {
            let number = number(ast).and_then(|text| text.parse::<u64>().ok());
            let message = "ROWS and GROUPS count from 0 on: write a whole number, as in 3 PRECEDING, or UNBOUNDED";
            number.map(i128::from).ok_or_else(|| self.error(place(ast, span), message))
        };
        match bound {
            Preceding(None) | Following(None) => Ok(None),
            CurrentRow => Ok(Some(0)),
            Preceding(Some(n)) => count(n).map(|n| Some(-n)),
            Following(Some(n)) => count(n).map(Some),
        }
    }

    fn range(
        &self,
        start: &ast::WindowFrameBound,
        end: &ast::WindowFrameBound,
        order_by: &[Order],
        span: Span,
    ) -> Result<Frame, QueryError> {
        let [by] = order_by else {
            let message = "a distance of RANGE goes by one ORDER BY expression: write OVER (ORDER BY at RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW), or count peers with GROUPS";
            return Err(self.error(span, message));
        };
        let of = by.expr.data_type;
        let bound = |bound: &ast::WindowFrameBound, side| match bound {
            Preceding(None) | Following(None) => Ok(None),
            CurrentRow => Ok(Some(if of == DataType::Float { Distance::Float(0.0) } else { Distance::Exact(0) })),
            Preceding(Some(by)) => self.distance(by, of, (Direction::Before, side), span).map(Some),
            Following(Some(by)) => self.distance(by, of, (Direction::Behind, side), span).map(Some),
        };
        Ok(match (bound(start, Side::Start)?, bound(end, Side::End)?) {
            (Some(Distance::Exact(before @ ..=0)), Some(Distance::Exact(0))) if !of.is_number() || of == DataType::Int => {
                Frame::Range { before: Some(clamped(-before)) }
            }
            (start, end) => Frame::RangeBetween { start, end },
        })
    }

    /// How far values of a type are from the row's.
    fn distance(&self, ast: &ast::Expr, of: DataType, (direction, side): (Direction, Side), span: Span) -> Result<Distance, QueryError> {
        let span = place(ast, span);
        let wrong = |message: String| self.error(span, message);
        let signed = |n: i128| Distance::Exact(if direction == Direction::Before { -n } else { n });
        let (distance, wanted, example) = match of {
            DataType::Timestamp | DataType::Interval => {
                let us = match ast {
                    ast::Expr::Interval(interval) => match self.interval(interval)?.kind {
                        BoundKind::Months(_) => {
                            return Err(wrong("a month has no fixed length: write days, as in INTERVAL '30 days' PRECEDING".to_owned()));
                        }
                        BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Interval(us @ 0..)), .. }) => Some(i128::from(us)),
                        _ => None,
                    },
                    _ => None,
                };
                (us.map(signed), DataType::Interval, "INTERVAL '1' HOUR")
            }
            DataType::Int => (number(ast).and_then(|text| text.parse::<i64>().ok()).map(|n| signed(n.into())), of, "5"),
            DataType::Float => {
                let by = number(ast).and_then(|text| text.parse().ok()).filter(|by: &f64| by.is_finite());
                (by.map(|by| Distance::Float(if direction == Direction::Before { -by } else { by })), of, "0.5")
            }
            DataType::Numeric | DataType::Decimal { .. } => {
                let by = number(ast).and_then(Decimal::parse).map(|by| match direction {
                    Direction::Before => Decimal { unscaled: -by.unscaled, ..by },
                    Direction::Behind => by,
                });
                (by.and_then(|by| in_least_digits(by, of.decimal_scale().unwrap_or(0), side)).map(Distance::Exact), of, "0.5")
            }
            _ => return Err(wrong(format!("RANGE measures no distance over {}: count peers with GROUPS", of.sql_name()))),
        };
        let message =
            || format!("RANGE over {} goes by {} from 0 on: write {example} PRECEDING", of.sql_name(), wanted.sql_name_with_article());
        distance.ok_or_else(|| wrong(message()))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Before,
    Behind,
}

#[derive(Clone, Copy)]
enum Side {
    Start,
    End,
}

/// A frame of ROWS.
fn rows((start, end): (Option<i128>, Option<i128>)) -> Frame {
    let rows = |n: Option<i128>| n.map(|n| u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX));
    match (start, end) {
        (None | Some(..=0), None | Some(0..)) => Frame::Rows { before: rows(start), after: rows(end) },
        (start, end) => Frame::RowsBetween { start: start.map(clamped), end: end.map(clamped) },
    }
}

/// No topic has more rows.
fn clamped(n: i128) -> i64 {
    n.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn number(ast: &ast::Expr) -> Option<&str> {
    match ast {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), .. }) => Some(text),
        _ => None,
    }
}

/// Where a part of a frame stands; where the whole call does, if the parser does not say.
fn place(ast: &ast::Expr, call: Span) -> Span {
    if ast.span() == Span::empty() { call } else { ast.span() }
}

/// As a number of the least digits of a type with this scale: rounded into the frame, where the type's numbers cannot differ by it. `None` above 38 digits.
fn in_least_digits(by: Decimal, scale: u8, side: Side) -> Option<i128> {
    let of = |exponent: u8| 10i128.checked_pow(exponent.into());
    match by.scale.checked_sub(scale) {
        Some(more) => of(more).map(|divisor| match side {
            Side::Start => -(-by.unscaled).div_euclid(divisor),
            Side::End => by.unscaled.div_euclid(divisor),
        }),
        None => of(scale - by.scale)?.checked_mul(by.unscaled).filter(|n| n.unsigned_abs() < 10u128.pow(38)),
    }
}
