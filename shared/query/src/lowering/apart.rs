//! Several forms of one topic that a column tells apart, as one flat query: the events of a stream of several kinds, of which one is grouped and joined with another.
//!
//! ```text
//! flown:  WHERE kind = 'flight' GROUP BY tail     ┐  GROUP BY which, tail of either, year of planes     ┌ which = 0: flown
//! planes: WHERE kind = 'plane'                    ┘  WHERE kind = 'flight' OR kind = 'plane'            └ which = 1: planes
//! ```
//!
//! So an engine keeps the groups of the one beside the rows of the other, and not all the rows that both are made of.

use twopath_base::LogColumn;

use super::nests_too_deeply;
use crate::plan::{Node, Plan};
use crate::query::Query;
use crate::types::*;

/// One of the forms, with what is true of its rows and of no other form's.
struct Apart<'q> {
    query: &'q Query,
    condition: Expr,
}

/// The forms as one query, and each of them as a plan over its answer (input 0); `None` where no column tells them apart, or none of them is grouped.
pub(super) fn side_by_side(inputs: &[Query], span: &std::ops::Range<usize>) -> Option<(Query, Vec<Plan>)> {
    let grouped = inputs.iter().any(|query| !query.rows);
    let plain = |q: &Query| q.panes.is_none() && q.order_by.is_empty() && q.limit.is_none() && q.offset == 0 && !q.is_global();
    if !grouped || !inputs.iter().all(plain) {
        return None;
    }
    let apart = told_apart(inputs)?;
    let filters: Option<Vec<Expr>> = inputs.iter().map(|q| q.filter.clone().filter(|f| !f.can_fail())).collect();
    let filter = filters?.into_iter().reduce(|a, b| Expr::binary(BinaryOp::Or, a, b, DataType::Bool));

    let int = |n: usize| Expr::literal(Value::Int(n as i64), DataType::Int);
    let branches = apart.iter().enumerate().map(|(number, form)| (form.condition.clone(), int(number))).collect();
    let which = Expr::new(ExprKind::Case { branches, otherwise: None }, DataType::Int);
    let mut keys = vec![NamedExpr { name: "which".into(), expr: which }];
    let mut aggregates = Vec::new();
    let mut shared: Vec<Shared> = Vec::new();
    // Where each form's keys and aggregates are.
    let mut places = Vec::new();
    for (number, form) in apart.iter().enumerate() {
        let mut own: Vec<NamedExpr> = form.query.keys.clone();
        let first_aggregate = aggregates.len();
        if form.query.rows {
            // Rows that are alike stay as many as they are.
            let log_column = |column: LogColumn| NamedExpr {
                name: column.name().into(),
                expr: Expr::column(column.index(form.query.fields.len()), DataType::Int),
            };
            own.extend([LogColumn::Partition, LogColumn::Offset].map(log_column));
        } else {
            aggregates.extend(form.query.aggregates.iter().map(|aggregate| form.of_its_rows(aggregate)));
        }
        places.push((seated(&mut shared, number, own), first_aggregate));
    }
    keys.extend(shared.iter().map(|key| NamedExpr { name: key.name.clone(), expr: key.expr(&apart) }));
    let args = aggregates.iter().flat_map(|aggregate: &Aggregate| aggregate.args());
    if filter.iter().chain(keys.iter().map(|key| &key.expr)).chain(args).any(nests_too_deeply) {
        return None;
    }
    let named = |(i, (name, data_type)): (usize, (String, DataType))| NamedExpr { name, expr: Expr::column(i, data_type) };
    let types = keys.iter().map(|key| (key.name.clone(), key.expr.data_type));
    let types = types.chain(aggregates.iter().map(|aggregate| ("aggregate".to_owned(), aggregate.data_type())));
    let output: Vec<NamedExpr> = types.enumerate().map(named).collect();
    let columns: Vec<(String, DataType)> = output.iter().map(|o| (o.name.clone(), o.expr.data_type)).collect();

    let at = |node| Plan::new(node, span.clone());
    let all = at(Node::Input { number: 0, columns });
    let form = |(number, form): (usize, &Apart<'_>)| {
        let (of_form, first_aggregate) = &places[number];
        let of_keys = form.query.keys.len();
        let moved =
            |expr: &Expr| expr.renumbered(|i| if i < of_keys { 1 + of_form[i] } else { keys.len() + first_aggregate + i - of_keys });
        let is_it = Expr::binary(BinaryOp::Equal, Expr::column(0, DataType::Int), int(number), DataType::Bool);
        let mut plan = at(Node::Filter { input: Box::new(all.clone()), condition: is_it });
        if let Some(having) = &form.query.having {
            plan = at(Node::Filter { input: Box::new(plan), condition: moved(having) });
        }
        let output = form.query.output.iter().map(|o| NamedExpr { name: o.name.clone(), expr: moved(&o.expr) }).collect();
        plan = at(Node::Project { input: Box::new(plan), columns: output });
        if form.query.distinct { at(Node::Distinct { input: Box::new(plan) }) } else { plan }
    };
    let forms: Vec<Plan> = apart.iter().enumerate().map(form).collect();
    let Query { topic, fields, .. } = &inputs[0];
    Some((Query { filter, keys, aggregates, output, ..Query::over(topic.clone(), fields.clone()) }, forms))
}

/// A key of the whole: of each form one of its own keys, if it has one for it.
struct Shared {
    name: String,
    data_type: DataType,
    /// By number of the form.
    of: Vec<(usize, Expr)>,
}

impl Shared {
    fn is_free(&self, form: usize) -> bool {
        self.of.iter().all(|(other, _)| *other != form)
    }

    /// Its value in the rows of each form; NULL in those of a form that has none. As every row is of one form, what is the same for all of them
    /// need not be asked which.
    fn expr(&self, apart: &[Apart<'_>]) -> Expr {
        let (_, first) = &self.of[0];
        if self.of.len() == apart.len() && self.of.iter().all(|(_, expr)| expr == first) {
            return first.clone();
        }
        let branches = self.of.iter().map(|(form, expr)| (apart[*form].condition.clone(), expr.clone())).collect();
        Expr::new(ExprKind::Case { branches, otherwise: None }, self.data_type)
    }
}

/// Gives each key of a form a place among the shared ones: where the same is computed of another form's rows, then where the type is the same, then a new one.
fn seated(shared: &mut Vec<Shared>, form: usize, keys: Vec<NamedExpr>) -> Vec<usize> {
    let mut places: Vec<Option<usize>> = vec![None; keys.len()];
    for same in [true, false] {
        for (key, place) in keys.iter().zip(&mut places).filter(|(_, place)| place.is_none()) {
            let fits = |s: &Shared| {
                let alike = !same || s.of.iter().all(|(_, expr)| *expr == key.expr);
                s.data_type == key.expr.data_type && alike && s.is_free(form)
            };
            if let Some(found) = shared.iter().position(fits) {
                shared[found].of.push((form, key.expr.clone()));
                *place = Some(found);
            }
        }
    }
    let new = |(key, place): (NamedExpr, Option<usize>)| {
        place.unwrap_or_else(|| {
            shared.push(Shared { name: key.name, data_type: key.expr.data_type, of: vec![(form, key.expr)] });
            shared.len() - 1
        })
    };
    keys.into_iter().zip(places).map(new).collect()
}

/// The forms with `column = literal` for each, of one column and no two alike.
fn told_apart(inputs: &[Query]) -> Option<Vec<Apart<'_>>> {
    let equalities = |query: &Query| -> Vec<(usize, Value, Expr)> {
        query
            .filter
            .iter()
            .flat_map(Expr::conjuncts)
            .filter_map(|e| equality(e).map(|(column, value)| (column, value, e.clone())))
            .collect()
    };
    let of_each: Vec<_> = inputs.iter().map(equalities).collect();
    of_each.first()?.iter().map(|(column, ..)| *column).find_map(|column| {
        let mut seen: Vec<&Value> = Vec::new();
        let mut apart = Vec::new();
        for (query, equalities) in inputs.iter().zip(&of_each) {
            let (_, value, condition) = equalities.iter().find(|(of, ..)| *of == column)?;
            if seen.contains(&value) {
                return None;
            }
            seen.push(value);
            apart.push(Apart { query, condition: condition.clone() });
        }
        Some(apart)
    })
}

/// The column and the literal of `column = literal`, of types of which literals that differ are different values.
fn equality(expr: &Expr) -> Option<(usize, Value)> {
    let ExprKind::Binary { op: BinaryOp::Equal, left, right } = &expr.kind else { return None };
    match (&left.kind, &right.kind) {
        (ExprKind::Column(column), ExprKind::Literal(value)) | (ExprKind::Literal(value), ExprKind::Column(column)) => {
            matches!(value, Value::Text(_) | Value::Int(_) | Value::Bool(_)).then(|| (*column, value.clone()))
        }
        _ => None,
    }
}

impl Apart<'_> {
    /// The expression in this form's rows; NULL in others, where it is not evaluated.
    fn guarded(&self, expr: &Expr) -> Expr {
        let branches = vec![(self.condition.clone(), expr.clone())];
        Expr::new(ExprKind::Case { branches, otherwise: None }, expr.data_type)
    }

    fn of_its_rows(&self, aggregate: &Aggregate) -> Aggregate {
        Aggregate {
            arg: aggregate.arg.as_ref().map(|arg| self.guarded(arg)),
            beside: aggregate.beside.iter().map(|arg| self.guarded(arg)).collect(),
            ..aggregate.clone()
        }
    }
}
