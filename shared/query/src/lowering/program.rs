//! The second lowering: a plan of any shape as flat queries, which engines keep, and a plan above them.

use super::apart::side_by_side;
use crate::plan::{Node, NotLowered, Plan};
use crate::query::Query;
use crate::types::*;

/// A query cut where engines end. Each input is a flat query over one topic: groups of accumulators, which every engine keeps incrementally and the
/// serving layer merges. `finish` reads their answers ([`Node::Input`]) and is computed when an answer is asked for.
///
/// A plan that is flat as a whole is one input and nothing above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    pub inputs: Vec<Query>,
    pub finish: Plan,
}

impl Program {
    /// The flat query that this program is, if it is no more than that.
    pub fn flat(&self) -> Option<&Query> {
        match (&self.inputs[..], &self.finish.node) {
            ([query], Node::Input { .. }) => Some(query),
            _ => None,
        }
    }
}

impl Plan {
    /// Cuts the plan into the largest flat queries, and what is above them.
    ///
    /// # Errors
    /// Where expressions become too large.
    pub fn program(&self) -> Result<Program, NotLowered> {
        let mut inputs = Vec::new();
        let finish = match self.lower() {
            Ok(query) => input(self, query, &mut inputs),
            Err(_) => cut(&self.narrowed(), &mut inputs)?,
        };
        Ok(Program { inputs, finish })
    }

    /// The plan over one topic as one query that engines keep: a flat one, or a flat one with what is computed of its answer ([`Query::finish`]). Where a plan needs the
    /// topic in several forms (a join of it with itself), what engines keep is the groups and rows of those that a column tells apart ([`side_by_side`]), else the rows that all
    /// are made of.
    ///
    /// # Errors
    /// A plan over several topics; expressions that become too large.
    pub fn query(&self) -> Result<Query, NotLowered> {
        if let Ok(query) = self.lower() {
            return Ok(query);
        }
        let narrowed = self.narrowed();
        let mut inputs = Vec::new();
        let finish = cut(&narrowed, &mut inputs)?;
        let topic = inputs.first().map(|q| q.topic.clone()).unwrap_or_default();
        if inputs.iter().any(|q| q.topic != topic) {
            let what = "a query over several topics is answered by twopath query, and kept by twopath job and twopath feed run, so far: compare and this read one topic";
            return Err(self.refused(what));
        }
        match <[Query; 1]>::try_from(inputs) {
            Ok([query]) => Ok(Query { finish: Some(Box::new(finish)), ..query }),
            Err(inputs) => match side_by_side(&inputs, &finish.span) {
                Some((query, forms)) => {
                    Ok(Query { finish: Some(Box::new(finish.with_inputs(&forms))), whole: Some(Box::new(narrowed)), ..query })
                }
                None => {
                    let scan = narrowed.scan().expect("a plan that was cut reads a topic");
                    let (rows, topic) = scan.all_rows(&inputs, &narrowed.span)?;
                    Ok(Query { finish: Some(Box::new(narrowed.with_scans(&topic).narrowed())), ..rows })
                }
            },
        }
    }

    /// The plan as one query for each topic that it reads, in their order, and what is computed of their answers: what engines keep of a plan over several topics, each
    /// of which they read for itself. A topic that the plan needs in several forms is kept as [`Plan::query`] keeps one.
    ///
    /// ```
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # use twopath_query::{TopicSchema, logical_plan_over};
    /// # let schema = Schema::new(vec![Field::new("k", DataType::Int64, false)]);
    /// # let topic = |name| TopicSchema { name, schema: &schema, key: None, time: None };
    /// let plan = logical_plan_over("SELECT a.k, COUNT(*) AS n FROM a JOIN b ON a.k = b.k GROUP BY a.k", &[topic("a"), topic("b")])?;
    /// let program = plan.by_topic()?;
    /// assert_eq!(program.inputs.iter().map(|query| query.topic.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where expressions become too large.
    pub fn by_topic(&self) -> Result<Program, NotLowered> {
        // What ties is then in the order of its groups, as everywhere.
        if let Ok(query) = self.lower() {
            let mut inputs = Vec::new();
            let finish = input(self, query, &mut inputs);
            return Ok(Program { inputs, finish });
        }
        let narrowed = self.narrowed();
        let mut inputs = Vec::new();
        let finish = cut(&narrowed, &mut inputs)?;
        let mut forms: Vec<Plan> = inputs.iter().map(Query::flat_plan).collect();
        let mut kept = Vec::new();
        for (number, topic) in self.topics().into_iter().enumerate() {
            let of_topic: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].topic == topic).collect();
            let queries: Vec<Query> = of_topic.iter().map(|&i| inputs[i].clone()).collect();
            let read = |query: &Query| Plan::new(Node::Input { number, columns: query.answer_columns() }, finish.span.clone());
            let query = match (<[Query; 1]>::try_from(queries.clone()), side_by_side(&queries, &finish.span)) {
                (Ok([query]), _) => {
                    forms[of_topic[0]] = read(&query);
                    query
                }
                (_, Some((query, of_each))) => {
                    let read = [read(&query)];
                    of_topic.iter().zip(of_each).for_each(|(&i, form)| forms[i] = form.with_inputs(&read));
                    query
                }
                (_, None) => {
                    let scan = narrowed.scan_of(topic).expect("a plan reads its topics");
                    let (query, rows) = scan.all_rows(&queries, &narrowed.span)?;
                    let rows = rows.with_inputs(&[read(&query)]);
                    of_topic.iter().for_each(|&i| forms[i] = forms[i].with_scans(&rows).narrowed());
                    query
                }
            };
            kept.push(query);
        }
        Ok(Program { inputs: kept, finish: finish.with_inputs(&forms) })
    }

    /// Of a scan: the rows that all these are made of as a flat query, and the topic's columns as a plan over its answer (input 0). They stand for the whole text: state at
    /// rest goes by the query with its places.
    fn all_rows(&self, inputs: &[Query], span: &std::ops::Range<usize>) -> Result<(Query, Plan), NotLowered> {
        let mut columns: Vec<usize> = inputs.iter().flat_map(Query::columns_read).collect();
        columns.sort_unstable();
        columns.dedup();
        // Rows of which only the number counts are still rows, and no one group.
        if columns.is_empty() {
            columns.push(0);
        }
        let all = self.columns();
        let put_out: Vec<NamedExpr> =
            columns.iter().map(|&i| NamedExpr { name: all[i].0.clone(), expr: Expr::column(i, all[i].1) }).collect();
        let named = put_out.iter().map(|c| (c.name.clone(), c.expr.data_type)).collect();
        // Rows that no input looks at are left out, where it is certain that they raise no error.
        let filters: Option<Vec<Expr>> = inputs.iter().map(|q| q.filter.clone().filter(|f| !f.can_fail())).collect();
        let either = filters.and_then(|all| all.into_iter().reduce(|a, b| Expr::binary(BinaryOp::Or, a, b, DataType::Bool)));
        let below = match either {
            None => self.clone(),
            Some(condition) => Plan::new(Node::Filter { input: Box::new(self.clone()), condition }, span.clone()),
        };
        let rows = Plan::new(Node::Project { input: Box::new(below), columns: put_out }, span.clone()).lower()?;
        let back = |(i, (name, data_type)): (usize, (String, DataType))| {
            let expr = match columns.binary_search(&i) {
                Ok(at) => Expr::column(at, data_type),
                // Nobody reads it.
                Err(_) => Expr::literal(Value::Null, data_type),
            };
            NamedExpr { name, expr }
        };
        let whole = all.iter().cloned().enumerate().map(back).collect();
        let input = Plan::new(Node::Input { number: 0, columns: named }, span.clone());
        let topic = Plan::new(Node::Project { input: Box::new(input), columns: whole }, span.clone());
        Ok((rows, topic))
    }

    /// The first scan of a topic.
    fn scan_of(&self, topic: &str) -> Option<&Plan> {
        if matches!(&self.node, Node::Scan { topic: read, .. } if read == topic) {
            return Some(self);
        }
        self.inputs().into_iter().find_map(|input| input.scan_of(topic))
    }

    /// The plan with `topic` in the place of each scan.
    fn with_scans(&self, topic: &Plan) -> Plan {
        if let Node::Scan { .. } = self.node {
            return topic.clone();
        }
        let Ok(plan) = self.try_map_inputs(&mut |input| Ok::<_, std::convert::Infallible>(input.with_scans(topic)));
        plan
    }

    /// Whether something in it depends on the order of rows.
    pub(super) fn is_ordered(&self) -> bool {
        matches!(self.node, Node::Sort { .. } | Node::Limit { .. }) || self.inputs().into_iter().any(Plan::is_ordered)
    }
}

fn cut(plan: &Plan, inputs: &mut Vec<Query>) -> Result<Plan, NotLowered> {
    match plan.node {
        _ if plan.is_ordered() => {}
        Node::Scan { .. } => return Ok(input(plan, flat(plan)?, inputs)),
        _ => {
            if let Ok(query) = flat(plan) {
                return Ok(input(plan, query, inputs));
            }
        }
    }
    plan.try_map_inputs(&mut |input| cut(input, inputs))
}

/// The same query twice is one input.
fn input(plan: &Plan, query: Query, inputs: &mut Vec<Query>) -> Plan {
    let number = inputs.iter().position(|known| *known == query).unwrap_or_else(|| {
        inputs.push(query);
        inputs.len() - 1
    });
    Plan::new(Node::Input { number, columns: plan.columns() }, plan.span.clone())
}

/// The plan as a flat query, with a projection of all its columns where its root puts out none of its own.
fn flat(plan: &Plan) -> Result<Query, NotLowered> {
    if let Node::Project { .. } | Node::Distinct { .. } = plan.node {
        return plan.lower();
    }
    let columns = plan.as_they_are().collect();
    Plan::new(Node::Project { input: Box::new(plan.clone()), columns }, plan.span.clone()).lower()
}
