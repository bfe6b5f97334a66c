{#
  DuckDB reads the files that target-jsonl writes, in the folder that the variable impact_json_lines
  names: no loader is needed, and numbers stay exact, since they are read as text. Each run appends,
  so that of the lines of a key the last one counts.
#}
{% macro json_lines(table) -%}
    {%- set keys = {
        'action_items': ['action_id', 'sku', 'sku_ordinal'],
        'campaigns': ['campaign_id'],
        'click_exports': ['click_day'],
        'clicks': ['click_key'],
        'contract_payout_terms': [
            'contract_id', 'date_last_updated', 'event_number', 'group_number',
        ],
        'daily_clicks': ['click_day', 'campaign_id', 'ad_id'],
        'deals': ['campaign_id', 'id'],
        'exception_list_items': ['list_id', 'id'],
        'invoice_detailed_line_items': ['invoice_id', 'line_number'],
        'invoice_line_items': ['invoice_id', 'line_number'],
        'promo_code_exception_list_items': ['list_id', 'id'],
        'promotions': ['promotion_id'],
        'report_daily_performance': ['day'],
        'report_other_earnings': ['row_key'],
        'report_overdue_payouts': ['row_key'],
        'report_payable_clicks': ['row_key'],
        'report_performance_by_ad': ['period', 'row_key'],
        'report_performance_by_program': ['period', 'campaign_id'],
        'report_performance_by_subid': ['period', 'sub_id1'],
        'report_periods': ['report', 'period'],
        'report_sku_actions': ['row_key'],
        'report_withdrawal_actions': ['row_key'],
        'report_withdrawals': ['paystub_id'],
    }.get(table, ['id']) + ['connection_label'] -%}
    select json as line
    from (
        select
            json,
            row_number() over () as place
        from read_ndjson_objects('{{ impact.file_of(table) }}')
    ) as numbered
    qualify row_number() over (
        partition by {% for key in keys %}json ->> '$.{{ key }}'{{ ', ' if not loop.last }}{% endfor %}
        order by place desc
    ) = 1
{%- endmacro %}

{% macro file_of(table) %}
    {%- do return(var('impact_json_lines') ~ '/' ~ table ~ '.jsonl') -%}
{% endmacro %}

{# The names of the values of a stream's lines, which all have the same; none without a file. #}
{% macro keys_of_files(table) %}
    {%- set file = impact.file_of(table) -%}
    {%- set files = run_query("select count(*) from glob('" ~ file ~ "')") -%}
    {%- if files.columns[0].values()[0] == 0 -%}
        {%- do return([]) -%}
    {%- endif -%}
    {%- set names = run_query(
        "select distinct unnest(json_keys(json)) from "
        "(select json from read_ndjson_objects('" ~ file ~ "') limit 1000) as sample"
    ) -%}
    {%- do return(names.columns[0].values() | list) -%}
{% endmacro %}
