//! Queries and expressions as text: canonical SQL, for manifests, messages and people.

use std::fmt;

use super::function::Function;
use super::time;
use super::types::*;

impl DataType {
    /// The type's name in SQL, in lower case.
    pub fn sql_name(self) -> &'static str {
        match self {
            DataType::Bool => "boolean",
            DataType::Int => "bigint",
            DataType::Float => "double precision",
            DataType::Text => "text",
            DataType::Timestamp => "timestamp",
            DataType::Interval => "interval",
            DataType::Numeric | DataType::Decimal { .. } => "numeric",
        }
    }

    pub(super) fn sql_name_with_article(self) -> String {
        let article = if self == DataType::Interval { "an" } else { "a" };
        format!("{article} {}", self.sql_name())
    }

    pub fn is_number(self) -> bool {
        matches!(self, DataType::Int | DataType::Float | DataType::Numeric | DataType::Decimal { .. })
    }
}

impl BinaryOp {
    pub fn sql_name(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Equal => "=",
            BinaryOp::NotEqual => "<>",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::And => "AND",
            BinaryOp::Or => "OR",
        }
    }

    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }
}

impl AggregateFunction {
    /// The function's name in SQL, in upper case, without DISTINCT.
    pub fn sql_name(self) -> &'static str {
        match self {
            AggregateFunction::Count | AggregateFunction::CountDistinct => "COUNT",
            AggregateFunction::Sum | AggregateFunction::SumDistinct => "SUM",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
            AggregateFunction::Avg | AggregateFunction::AvgDistinct => "AVG",
            AggregateFunction::ApproxCountDistinct => "APPROX_COUNT_DISTINCT",
            AggregateFunction::ApproxQuantile(_) => "APPROX_QUANTILE",
            AggregateFunction::VarPop => "VAR_POP",
            AggregateFunction::VarSamp => "VAR_SAMP",
            AggregateFunction::PercentileCont(_) => "PERCENTILE_CONT",
            AggregateFunction::PercentileDisc(_) => "PERCENTILE_DISC",
            AggregateFunction::BitAnd => "BIT_AND",
            AggregateFunction::BitOr => "BIT_OR",
            AggregateFunction::BitXor => "BIT_XOR",
            AggregateFunction::FirstValue { .. } | AggregateFunction::FirstBy { .. } => "FIRST_VALUE",
            AggregateFunction::StringAgg { .. } => "STRING_AGG",
            AggregateFunction::Mode => "MODE",
            AggregateFunction::LastValue { .. } => "LAST_VALUE",
            AggregateFunction::Regression(Regression::CovarPop) => "COVAR_POP",
            AggregateFunction::Regression(Regression::CovarSamp) => "COVAR_SAMP",
            AggregateFunction::Regression(Regression::Corr) => "CORR",
            AggregateFunction::Regression(Regression::Slope) => "REGR_SLOPE",
            AggregateFunction::Regression(Regression::Intercept) => "REGR_INTERCEPT",
            AggregateFunction::Regression(Regression::R2) => "REGR_R2",
            AggregateFunction::Regression(Regression::Sxx) => "REGR_SXX",
            AggregateFunction::Regression(Regression::Syy) => "REGR_SYY",
            AggregateFunction::Regression(Regression::Sxy) => "REGR_SXY",
        }
    }
}

/// As a query's answer shows it: NULL as nothing, timestamps as in ISO 8601, in UTC.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => Ok(()),
            Value::Bool(b) => b.fmt(f),
            Value::Int(i) => i.fmt(f),
            Value::Float(x) if x.is_infinite() => f.write_str(if *x > 0.0 { "Infinity" } else { "-Infinity" }),
            Value::Float(x) => x.fmt(f),
            Value::Text(t) => t.fmt(f),
            Value::Timestamp(us) => write!(f, "{}Z", time::format_timestamp(*us).replacen(' ', "T", 1)),
            Value::Interval(us) => f.write_str(&time::format_interval(*us)),
            Value::Numeric(n) => n.fmt(f),
            Value::Decimal(d) => d.fmt(f),
        }
    }
}

/// A value as a literal of SQL.
fn literal(value: &Value, data_type: DataType) -> String {
    match value {
        Value::Null => format!("CAST(NULL AS {})", data_type.sql()),
        Value::Float(x) if x.is_nan() || x.is_infinite() => format!("CAST('{value}' AS double precision)"),
        Value::Float(x) => format!("{x:?}"),
        Value::Text(t) => format!("'{}'", t.replace('\'', "''")),
        Value::Timestamp(us) => format!("TIMESTAMP '{}'", time::format_timestamp(*us)),
        Value::Interval(_) => format!("INTERVAL '{value}'"),
        Value::Decimal(_) => format!("DECIMAL '{value}'"),
        Value::Bool(_) | Value::Int(_) | Value::Numeric(_) => value.to_string(),
    }
}

/// An expression with the names of its columns.
pub struct Named<'a> {
    expr: &'a Expr,
    names: &'a [String],
}

impl Expr {
    /// The expression as SQL over columns of these names; a column beyond them is written `#3`.
    pub fn named<'a>(&'a self, names: &'a [String]) -> Named<'a> {
        Named { expr: self, names }
    }
}

/// As [`Expr::named`], without names.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named(&[]).fmt(f)
    }
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |e| Named { expr: e, names: self.names };
        match &self.expr.kind {
            ExprKind::Column(i) => match self.names.get(*i) {
                Some(name) => f.write_str(name),
                None => write!(f, "#{i}"),
            },
            ExprKind::Literal(value) => f.write_str(&literal(value, self.expr.data_type)),
            ExprKind::Unary { op: UnaryOp::Not, arg } => write!(f, "(NOT {})", of(arg)),
            ExprKind::Unary { op: UnaryOp::Negate, arg } => write!(f, "(- {})", of(arg)),
            ExprKind::Binary { op, left, right } => write!(f, "({} {} {})", of(left), op.sql_name(), of(right)),
            ExprKind::IsNull { arg, negated } => write!(f, "({} IS {}NULL)", of(arg), if *negated { "NOT " } else { "" }),
            ExprKind::Case { branches, otherwise } => {
                f.write_str("CASE")?;
                for (condition, value) in branches {
                    write!(f, " WHEN {} THEN {}", of(condition), of(value))?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {}", of(otherwise))?;
                }
                f.write_str(" END")
            }
            ExprKind::Cast { arg } => write!(f, "CAST({} AS {})", of(arg), self.expr.data_type.sql()),
            ExprKind::Extract { field, arg } => {
                write!(f, "EXTRACT({} FROM {})", format!("{field:?}").to_uppercase(), of(arg))
            }
            ExprKind::DateTrunc { unit, arg } => write!(f, "DATE_TRUNC('{}', {})", format!("{unit:?}").to_lowercase(), of(arg)),
            ExprKind::Call { function, args } => {
                let args: Vec<String> = args.iter().map(|a| of(a).to_string()).collect();
                call(f, function, &args)
            }
            ExprKind::Tumble { arg, size_us } => write!(f, "WINDOW_START({}, INTERVAL '{}')", of(arg), time::format_interval(*size_us)),
        }
    }
}

/// A function of arguments that are written already. ADD_MONTHS of a number that is not written out has no form in SQL and is shown as a call.
fn call(f: &mut fmt::Formatter<'_>, function: &Function, args: &[String]) -> fmt::Result {
    let text = |t: &str| format!("'{}'", t.replace('\'', "''"));
    match (function, args) {
        (Function::Like { escape, .. }, [value, pattern]) => {
            write!(f, "({value} {} {pattern}", function.sql_name())?;
            match escape {
                Some('\\') => f.write_str(")"),
                escape => write!(f, " ESCAPE {})", text(&escape.map(String::from).unwrap_or_default())),
            }
        }
        (Function::RegexLike(pattern), [value]) => {
            write!(f, "({value} {} {})", if pattern.ignore_case { "~*" } else { "~" }, text(&pattern.text))
        }
        (Function::RegexSubstr(pattern), [value]) => {
            let flags = if pattern.ignore_case { ", 'i'" } else { "" };
            write!(f, "REGEXP_SUBSTR({value}, {}{flags})", text(&pattern.text))
        }
        (Function::RegexReplace { pattern, all }, [value, with]) => {
            let flags = ["", ", 'i'", ", 'g'", ", 'gi'"][usize::from(pattern.ignore_case) + 2 * usize::from(*all)];
            write!(f, "REGEXP_REPLACE({value}, {}, {with}{flags})", text(&pattern.text))
        }
        (function, [left, right]) if function.is_of_bits() => write!(f, "({left} {} {right})", function.sql_name()),
        (Function::Concat, parts) => write!(f, "({})", parts.join(" || ")),
        (Function::AtTimeZone { zone }, [at]) => write!(f, "({at} AT TIME ZONE {})", text(zone)),
        (Function::AddMonths, [at, months]) if months.parse::<i64>().is_ok() => write!(f, "({at} + INTERVAL '{months} months')"),
        (function, args) => write!(f, "{}({})", function.sql_name(), args.join(", ")),
    }
}

/// A name as an identifier: quoted where it would not be read as itself.
pub(super) fn identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Of `CASE WHEN condition THEN value END` condition and value.
fn only_branch(expr: &Expr) -> Option<(&Expr, &Expr)> {
    match &expr.kind {
        ExprKind::Case { branches, otherwise: None } if branches.len() == 1 => branches.first().map(|(c, v)| (c, v)),
        _ => None,
    }
}

/// An aggregate over columns of these names, as SQL.
pub(super) fn aggregate_text(aggregate: &Aggregate, names: &[String]) -> String {
    let arg = aggregate.arg.as_ref().map_or("*".to_owned(), |e| e.named(names).to_string());
    let name = aggregate.function.sql_name();
    match aggregate.function {
        AggregateFunction::CountDistinct | AggregateFunction::SumDistinct | AggregateFunction::AvgDistinct => {
            format!("{name}(DISTINCT {arg})")
        }
        AggregateFunction::Mode => format!("MODE() WITHIN GROUP (ORDER BY {arg})"),
        AggregateFunction::FirstBy { .. } | AggregateFunction::StringAgg { .. } => ordered_text(aggregate, &arg, names),
        AggregateFunction::ApproxQuantile(q) => format!("APPROX_QUANTILE({arg}, {q:?})"),
        AggregateFunction::PercentileCont(q) | AggregateFunction::PercentileDisc(q) => {
            format!("{name}({q:?}) WITHIN GROUP (ORDER BY {arg})")
        }
        AggregateFunction::Regression(_) => {
            let args: Vec<String> = aggregate.args().map(|e| e.named(names).to_string()).collect();
            format!("{name}({})", args.join(", "))
        }
        AggregateFunction::FirstValue { ignore_nulls } | AggregateFunction::LastValue { ignore_nulls } => {
            let nulls = if ignore_nulls { " IGNORE NULLS" } else { "" };
            // FILTER leaves value and place out.
            match [aggregate.arg.as_ref(), aggregate.beside.first()].map(|e| e.and_then(only_branch)) {
                [Some((condition, value)), Some((same, _))] if condition == same => {
                    format!("{name}({}) FILTER (WHERE {}){nulls}", value.named(names), condition.named(names))
                }
                _ => format!("{name}({arg}){nulls}"),
            }
        }
        _ => format!("{name}({arg})"),
    }
}

/// An aggregate with an order of its own: with all that it goes by, and what FILTER asks within each part.
fn ordered_text(aggregate: &Aggregate, arg: &str, names: &[String]) -> String {
    let name = aggregate.function.sql_name();
    // The last says only whether the row counts.
    let beside = aggregate.beside.split_last().map_or(&[][..], |(_, beside)| beside);
    let (distinct, separators, order, nulls) = match aggregate.function {
        AggregateFunction::StringAgg { distinct, order } => (if distinct { "DISTINCT " } else { "" }, 1, order, ""),
        AggregateFunction::FirstBy { ignore_nulls, order } => ("", 0, order, if ignore_nulls { " IGNORE NULLS" } else { "" }),
        other => unreachable!("{other:?} has no order of its own"),
    };
    let separator = beside.iter().take(separators).map(|e| format!(", {}", e.named(names))).collect::<String>();
    let by = beside.iter().skip(separators).enumerate().map(|(i, expr)| {
        let (descending, nulls_first) = order.get(i);
        format!("{} {}", expr.named(names), direction(descending, nulls_first))
    });
    let by = by.collect::<Vec<_>>().join(", ");
    format!("{name}({distinct}{arg}{separator} ORDER BY {by}){nulls}")
}

/// `ASC NULLS LAST` and the like.
fn direction(descending: bool, nulls_first: bool) -> &'static str {
    match (descending, nulls_first) {
        (false, false) => "ASC NULLS LAST",
        (false, true) => "ASC NULLS FIRST",
        (true, false) => "DESC NULLS LAST",
        (true, true) => "DESC NULLS FIRST",
    }
}

impl Order {
    /// `ASC NULLS LAST` and the like.
    pub(super) fn direction(&self) -> &'static str {
        direction(self.descending, self.nulls_first)
    }
}
