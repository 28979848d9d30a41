//! SQL expressions as polars expressions, with PostgreSQL's semantics.
//!
//! polars evaluates columns, constants, comparisons, NULL tests, AND, OR, NOT and CASE. Its arithmetic wraps around and turns x / 0
//! into NULL, and it has no calendar in the small feature set that it is built with: such operators run as element-wise functions
//! inside the polars plan, on the kernels of [`twopath_view::eval`], over shared buffers.
//!
//! A **guard** goes down with every operator that can raise an error: the rows for which its value is wanted at all. polars evaluates
//! every branch of CASE and both sides of AND and OR, so an operand is made NULL where the guard is not TRUE, and an operator over
//! NULL raises nothing. Where nothing can fail, the guard stands in no expression and costs nothing.
//!
//! polars' expressions are trees: a guard stands in full wherever it is needed, so that CASE within CASE doubles with each level. An
//! expression that would grow too large is one function over its columns instead, on the same kernels.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow_array::ArrayRef;
use arrow_schema::{DataType as ArrowType, Schema, TimeUnit};
use polars::prelude::{
    Column, DataType as PolarsType, Expr as Plan, Field as PolarsField, NULL, PolarsError, Scalar, col, lit, map_multiple, when,
};
use twopath_query::{BinaryOp, DataType, EvalError, Expr, ExprKind, UnaryOp, Value};
use twopath_view::{arrow_type, eval};

use crate::frame::{polars_type, to_arrow, to_polars};

/// Where an element-wise function leaves the error that a row raised: polars' own errors carry texts only.
pub type Raised = Arc<OnceLock<EvalError>>;

/// An expression whose plan would have more nodes than this is not taken apart. polars' planning costs about a microsecond a node for
/// every piece of the log.
const PLAN_NODES_MAX: u64 = 1_000;

/// The name under which a topic's column stands in the frames that compiled expressions run over.
pub fn column_name(index: usize) -> String {
    format!("c{index}")
}

/// The Arrow type in which a topic's column is handed to polars: the canonical type of its SQL type, but as it is where bringing it
/// there can fail; then the expression does that, for the rows that are wanted.
pub fn handed_as(column: &ArrowType, data_type: DataType) -> ArrowType {
    match column {
        ArrowType::UInt64 | ArrowType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _) => column.clone(),
        _ => arrow_type(data_type),
    }
}

/// Compiles the expressions of one query over one topic.
pub struct Compiler<'a> {
    pub schema: &'a Schema,
    /// A column that every frame has, for the number of its rows.
    pub any_column: usize,
    pub raised: Raised,
}

impl Compiler<'_> {
    /// The polars expression with the values of `expr`, in the polars type of its canonical Arrow type.
    pub fn compile(&self, expr: &Expr) -> Plan {
        if plan_nodes(expr, 0) > PLAN_NODES_MAX { self.whole(expr) } else { self.wanted(expr, None) }
    }

    /// The expression as one function over its columns.
    fn whole(&self, expr: &Expr) -> Plan {
        let mut columns = BTreeMap::new();
        expr.visit(&mut |e| {
            if let ExprKind::Column(index) = e.kind {
                columns.insert(index, e.data_type);
            }
        });
        let indexes: Vec<usize> = columns.keys().copied().collect();
        let handed = |(&index, &t): (&usize, &DataType)| (col(column_name(index)), handed_as(self.schema.field(index).data_type(), t));
        let mut args: Vec<_> = columns.iter().map(handed).collect();
        if args.is_empty() {
            // polars takes the number of rows from an argument.
            args.push((self.every_row(), ArrowType::Boolean));
        }
        self.kernel(&expr.over(&indexes), &args, None)
    }

    /// As [`Compiler::compile`]; where `guard` is not TRUE, values may be anything, and errors are not raised.
    fn wanted(&self, expr: &Expr, guard: Option<&Plan>) -> Plan {
        let arg = |e: &Expr| self.wanted(e, guard);
        match &expr.kind {
            ExprKind::Column(index) => {
                let column = col(column_name(*index));
                let from = handed_as(self.schema.field(*index).data_type(), expr.data_type);
                if from == arrow_type(expr.data_type) { column } else { self.kernel(expr, &[(column, from)], guard) }
            }
            ExprKind::Literal(value) => literal(value, expr.data_type),
            ExprKind::IsNull { arg: e, negated: false } => arg(e).is_null(),
            ExprKind::IsNull { arg: e, negated: true } => arg(e).is_not_null(),
            ExprKind::Unary { op: UnaryOp::Not, arg: e } => arg(e).not(),
            ExprKind::Binary { op: BinaryOp::And, left, right } => {
                let left = arg(left);
                let undecided = and(guard, is_not(&left, false));
                left.and(self.wanted(right, Some(&undecided)))
            }
            ExprKind::Binary { op: BinaryOp::Or, left, right } => {
                let left = arg(left);
                let undecided = and(guard, is_not(&left, true));
                left.or(self.wanted(right, Some(&undecided)))
            }
            ExprKind::Binary { op, left, right } => match comparison(*op) {
                Some(compare) => compare(arg(left), arg(right)),
                None => self.operator(expr, &[left, right], guard),
            },
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise.as_deref(), expr.data_type, guard),
            ExprKind::Cast { arg: e } => match (e.data_type, expr.data_type) {
                (from, to) if from == to => arg(e),
                (DataType::Int, DataType::Float) => arg(e).cast(PolarsType::Float64),
                (DataType::Bool, DataType::Int) => arg(e).cast(PolarsType::Int64),
                _ => self.operator(expr, &[e], guard),
            },
            ExprKind::Call { args, .. } => self.operator(expr, &args.iter().collect::<Vec<_>>(), guard),
            ExprKind::Unary { op: UnaryOp::Negate, arg: e }
            | ExprKind::Extract { arg: e, .. }
            | ExprKind::DateTrunc { arg: e, .. }
            | ExprKind::Tumble { arg: e, .. } => self.operator(expr, &[e], guard),
        }
    }

    fn case(&self, branches: &[(Expr, Expr)], otherwise: Option<&Expr>, data_type: DataType, guard: Option<&Plan>) -> Plan {
        let Some(((condition, then), rest)) = branches.split_first() else {
            return otherwise.map_or_else(|| literal(&Value::Null, data_type), |e| self.wanted(e, guard));
        };
        let condition = self.wanted(condition, guard);
        let then = self.wanted(then, Some(&and(guard, condition.clone())));
        let left_over = and(guard, is_not(&condition, true));
        when(condition).then(then).otherwise(self.case(rest, otherwise, data_type, Some(&left_over)))
    }

    /// An operator that polars has not, over `args`.
    fn operator(&self, expr: &Expr, args: &[&Expr], guard: Option<&Plan>) -> Plan {
        let args: Vec<_> = args.iter().map(|e| (self.wanted(e, guard), arrow_type(e.data_type))).collect();
        self.kernel(&over_columns(expr), &args, guard)
    }

    /// Runs the kernel of `node`, whose operands are the columns 0.. of what `args` give, each in the Arrow type beside it.
    fn kernel(&self, node: &Expr, args: &[(Plan, ArrowType)], guard: Option<&Plan>) -> Plan {
        let node = match node.kind {
            ExprKind::Column(_) => Expr { kind: ExprKind::Column(0), data_type: node.data_type },
            _ => node.clone(),
        };
        let (mut inputs, types): (Vec<Plan>, Vec<ArrowType>) = args.iter().cloned().unzip();
        // Over constants alone polars would call it for a frame without rows, too.
        let every_row = inputs.iter().all(|e| !has_column(e)).then(|| self.every_row());
        if let Some(guard) = guard.map(|g| and(every_row.as_ref(), g.clone())).or(every_row) {
            inputs[0] = when(guard).then(inputs[0].clone()).otherwise(lit(NULL).cast(polars_type(&types[0])));
        }
        let result = arrow_type(node.data_type);
        let result_type = polars_type(&result);
        let raised = self.raised.clone();
        let run = move |columns: &mut [Column]| {
            let rows = columns.iter().map(Column::len).find(|&n| n != 1).unwrap_or(1);
            let arrays = columns.iter().zip(&types).map(|(c, t)| to_arrow(c, t, rows)).collect::<Result<Vec<ArrayRef>, _>>()?;
            let values = eval(&node, &arrays, rows).map_err(|e| {
                let error = PolarsError::ComputeError(e.to_string().into());
                let _ = raised.set(e);
                error
            })?;
            to_polars(columns[0].name(), &values)
        };
        map_multiple(run, inputs, move |_, fields| Ok(PolarsField::new(fields[0].name().clone(), result_type.clone())))
    }

    /// TRUE in every row.
    fn every_row(&self) -> Plan {
        let column = col(column_name(self.any_column));
        column.clone().is_null().or(column.is_not_null())
    }
}

/// The same operator over the columns 0, 1, ...
fn over_columns(expr: &Expr) -> Expr {
    let column = |index: usize, e: &Expr| Box::new(Expr { kind: ExprKind::Column(index), data_type: e.data_type });
    let kind = match &expr.kind {
        ExprKind::Unary { op, arg } => ExprKind::Unary { op: *op, arg: column(0, arg) },
        ExprKind::Binary { op, left, right } => ExprKind::Binary { op: *op, left: column(0, left), right: column(1, right) },
        ExprKind::Cast { arg } => ExprKind::Cast { arg: column(0, arg) },
        ExprKind::Extract { field, arg } => ExprKind::Extract { field: *field, arg: column(0, arg) },
        ExprKind::DateTrunc { unit, arg } => ExprKind::DateTrunc { unit: *unit, arg: column(0, arg) },
        ExprKind::Tumble { arg, size_us } => ExprKind::Tumble { arg: column(0, arg), size_us: *size_us },
        ExprKind::Call { function, args } => {
            let columns = args.iter().enumerate().map(|(i, e)| Expr::column(i, e.data_type)).collect();
            ExprKind::Call { function: function.clone(), args: columns }
        }
        ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::IsNull { .. } | ExprKind::Case { .. } => {
            unreachable!("polars evaluates {expr:?} itself")
        }
    };
    Expr { kind, data_type: expr.data_type }
}

fn literal(value: &Value, data_type: DataType) -> Plan {
    match value {
        Value::Null => lit(NULL).cast(polars_type(&arrow_type(data_type))),
        Value::Bool(v) => lit(Scalar::from(*v)),
        Value::Int(v) | Value::Timestamp(v) | Value::Interval(v) => lit(Scalar::from(*v)),
        Value::Float(v) => lit(Scalar::from(*v)),
        Value::Text(v) => lit(v.to_string()),
        Value::Numeric(_) => unreachable!("numerics come out of SUM only, after grouping"),
    }
}

fn comparison(op: BinaryOp) -> Option<fn(Plan, Plan) -> Plan> {
    Some(match op {
        BinaryOp::Equal => |a, b| a.eq(b),
        BinaryOp::NotEqual => |a, b| a.neq(b),
        BinaryOp::Less => |a, b| a.lt(b),
        BinaryOp::LessOrEqual => |a, b| a.lt_eq(b),
        BinaryOp::Greater => |a, b| a.gt(b),
        BinaryOp::GreaterOrEqual => |a, b| a.gt_eq(b),
        _ => return None,
    })
}

fn and(guard: Option<&Plan>, condition: Plan) -> Plan {
    match guard {
        None => condition,
        Some(guard) => guard.clone().and(condition),
    }
}

/// TRUE where a condition is `other` than this, or NULL.
fn is_not(condition: &Plan, this: bool) -> Plan {
    condition.clone().eq(lit(this)).fill_null(lit(false)).not()
}

/// Nodes of the plan that [`Compiler::wanted`] gives, about: under a guard of so many.
fn plan_nodes(expr: &Expr, guard: u64) -> u64 {
    let under = |e: &Expr| plan_nodes(e, guard);
    let sum = |a: u64, b: u64| a.saturating_add(b);
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Literal(_) => sum(1, guard),
        ExprKind::IsNull { arg, .. } | ExprKind::Unary { op: UnaryOp::Not, arg } => sum(1, under(arg)),
        ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            let left = under(left);
            sum(left, plan_nodes(right, sum(guard, left)))
        }
        ExprKind::Binary { left, right, .. } => sum(sum(under(left), under(right)), sum(1, guard)),
        ExprKind::Case { branches, otherwise } => {
            let (mut nodes, mut guard) = (1, guard);
            for (condition, then) in branches {
                let condition = plan_nodes(condition, guard);
                guard = sum(guard, condition);
                nodes = sum(sum(nodes, condition), sum(condition, plan_nodes(then, guard)));
            }
            sum(nodes, otherwise.as_deref().map_or(1, |e| plan_nodes(e, guard)))
        }
        ExprKind::Call { args, .. } => args.iter().fold(sum(1, guard), |nodes, e| sum(nodes, under(e))),
        ExprKind::Unary { arg, .. }
        | ExprKind::Cast { arg }
        | ExprKind::Extract { arg, .. }
        | ExprKind::DateTrunc { arg, .. }
        | ExprKind::Tumble { arg, .. } => sum(under(arg), sum(1, guard)),
    }
}

fn has_column(plan: &Plan) -> bool {
    plan.into_iter().any(|e| matches!(e, Plan::Column(_)))
}
