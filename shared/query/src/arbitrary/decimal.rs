//! Random decimals: columns and expressions. Only topics of [`super::schema_with_decimals`] have them, so that an engine without decimals is
//! asked for none.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array};
use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef};

use super::Random;
use super::expr::Columns;
use crate::types::DataType;

/// As [`super::schema`], with at least one decimal column.
pub fn schema_with_decimals(random: &mut Random) -> SchemaRef {
    let schema = super::schema(random);
    let mut fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(Field::new("price", Arrow::Decimal128(12, 2), random.chance(80)));
    if random.chance(60) {
        let (precision, scale) = [(38, 10), (5, 0), (38, 0), (20, 6), (4, 4)][random.below(5)];
        fields.push(Field::new("rate", Arrow::Decimal128(precision, scale), true));
    }
    Arc::new(Schema::new(fields))
}

/// Values of a type of so many digits: mostly small ones, where `extremes` says so also the largest.
pub(super) fn column(random: &mut Random, nulls_percent: u64, extremes: bool, t: (u8, i8), rows: usize) -> ArrayRef {
    let most = 10i128.pow(t.0.into()) - 1;
    let value = |random: &mut Random| {
        if extremes && random.chance(10) {
            return if random.chance(50) { most } else { -most };
        }
        i128::from(random.between(-300, 9_999)) % (most + 1)
    };
    let values = (0..rows).map(|_| if random.chance(nulls_percent) { None } else { Some(value(random)) });
    let values: Decimal128Array = values.collect();
    Arc::new(values.with_data_type(Arrow::Decimal128(t.0, t.1)))
}

impl Columns {
    /// The decimal columns.
    pub fn decimals(&self) -> Vec<&str> {
        self.where_type(|t| t.decimal_scale().is_some())
    }

    /// A decimal expression; there must be a decimal column.
    pub fn decimal(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return match random.below(8) {
                0 => format!("DECIMAL '{}.{:02}'", random.between(-20, 100), random.between(0, 99)),
                1 => format!("CAST({} % 1000 AS DECIMAL(10, 2))", self.int(random, 0)),
                _ => random.pick(&self.decimals()).to_owned(),
            };
        }
        let depth = depth - 1;
        match random.below(12) {
            0 => format!("({} + {})", self.decimal(random, depth), self.decimal(random, depth)),
            1 => format!("({} - {})", self.decimal(random, depth), self.int(random, 0)),
            // Scales add up with every product.
            2 => format!("CAST({} * {} AS DECIMAL(38, 6))", self.decimal(random, depth), random.pick(&["1.19", "-0.5", "3", "12.345"])),
            3 => format!("CAST({} * {} AS DECIMAL(30, 2))", self.decimal(random, 0), self.decimal(random, 0)),
            4 => format!("({} / {})", self.decimal(random, depth), random.pick(&["3", "0.07", "-12.5", "CAST(8 AS DECIMAL(5, 3))"])),
            5 => format!("({} % {})", self.decimal(random, depth), random.pick(&["10", "0.03", "-7.5"])),
            6 => format!("CAST({} AS DECIMAL(20, {}))", self.decimal(random, depth), random.below(9)),
            7 if random.chance(50) => format!("CAST({} AS DECIMAL(38, 4))", self.simple_float(random, 0)),
            8 => self.case(random, depth, Self::decimal),
            9 => format!("COALESCE({}, 0.05)", self.decimal(random, depth)),
            10 => format!("ABS({})", self.decimal(random, depth)),
            _ => format!("(- {})", self.atom(random, Self::decimal)),
        }
    }

    /// An expression of another type, of a decimal.
    pub(super) fn of_decimal(&self, random: &mut Random, depth: u32, t: DataType) -> String {
        let decimal = self.decimal(random, depth);
        match t {
            DataType::Int => format!("CAST({decimal} AS BIGINT)"),
            DataType::Float => format!("CAST({decimal} AS DOUBLE PRECISION)"),
            _ => format!("CAST({decimal} AS TEXT)"),
        }
    }
}
