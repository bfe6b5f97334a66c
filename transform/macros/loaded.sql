{#
  The rows of a loaded table, without those that the loader marked as gone; none where the table
  was never loaded. `columns` (names and types) are those that the model reads.
#}
{% macro loaded(table, columns) %}
    {%- set source_table = source('impact', table) -%}
    {%- set relation = load_relation(source_table) if execute else none -%}
    select
    {%- for name, type in columns.items() %}
        {% if relation %}{{ name }}{% else %}cast(null as {{ type }}) as {{ name }}{% endif %}
        {{- ',' if not loop.last }}
    {%- endfor %}
    {%- if relation %}
    from {{ source_table }}
        {%- set names = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
        {%- if '_sdc_deleted_at' in names %}
    where _sdc_deleted_at is null
        {%- endif %}
    {%- else %}
    from (select 1 as nothing) as never_loaded
    where 1 = 0
    {%- endif %}
{% endmacro %}
