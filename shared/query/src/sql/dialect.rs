//! The SQL that is read: PostgreSQL's, `FOR SYSTEM_TIME AS OF` and `* EXCLUDE`.

use std::any::TypeId;

use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// PostgreSQL's dialect, and what the parser knows only in others: tables as of a moment, and `*` without some columns.
#[derive(Debug)]
pub(super) struct TwopathDialect;

/// What concerns queries, as PostgreSQL has it.
macro_rules! as_postgresql {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> $result {
            PostgreSqlDialect {}.$name($($arg),*)
        })*
    };
}

impl Dialect for TwopathDialect {
    /// Where the parser asks which dialect it reads, it is PostgreSQL's.
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    as_postgresql! {
        fn supports_cte_materialization() -> bool;
        fn identifier_quote_style(identifier: &str) -> Option<char>;
        fn is_delimited_identifier_start(ch: char) -> bool;
        fn is_identifier_start(ch: char) -> bool;
        fn is_identifier_part(ch: char) -> bool;
        fn supports_unicode_string_literal() -> bool;
        fn is_reserved_for_identifier(kw: Keyword) -> bool;
        fn is_table_alias(kw: &Keyword, parser: &mut Parser) -> bool;
        fn supports_string_literal_column_alias(explicit: bool) -> bool;
        fn supports_string_literal_table_alias(explicit: bool) -> bool;
        fn is_custom_operator_part(ch: char) -> bool;
        fn get_next_precedence(parser: &Parser) -> Option<Result<u8, ParserError>>;
        fn supports_filter_during_aggregation() -> bool;
        fn supports_group_by_expr() -> bool;
        fn prec_value(prec: Precedence) -> u8;
        fn allow_extract_custom() -> bool;
        fn allow_extract_single_quotes() -> bool;
        fn supports_sql_option_without_value() -> bool;
        fn supports_factorial_operator() -> bool;
        fn supports_bitwise_shift_operators() -> bool;
        fn supports_tilde_like_match_operator() -> bool;
        fn supports_comparison_in_between_low_bound() -> bool;
        fn supports_named_fn_args_with_colon_operator() -> bool;
        fn supports_named_fn_args_with_expr_name() -> bool;
        fn supports_named_fn_args_with_assignment_operator() -> bool;
        fn supports_empty_projections() -> bool;
        fn supports_nested_comments() -> bool;
        fn supports_string_escape_constant() -> bool;
        fn supports_numeric_literal_underscores() -> bool;
        fn supports_non_decimal_integer_literals() -> bool;
        fn supports_order_by_using_operator() -> bool;
        fn supports_left_associative_joins_without_parens() -> bool;
        fn supports_notnull_operator() -> bool;
        fn supports_interval_options() -> bool;
        fn is_interval_qualifier(kw: Keyword) -> bool;
        fn supports_select_wildcard_with_alias() -> bool;
        fn supports_comma_separated_trim() -> bool;
        fn is_custom_type_typed_string(first_keyword: Keyword, qualified: bool) -> bool;
        fn supports_aliased_function_args() -> bool;
        fn supports_comment_optimizer_hint() -> bool;
    }
}
