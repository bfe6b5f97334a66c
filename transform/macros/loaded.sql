{#
  The rows of a loaded table, without those that the loader marked as gone; none where the table
  was never loaded. `columns` names what the model reads, each with its kind (macros/kinds.sql) or,
  where the loaded table calls it otherwise, with the kind and the names to look for. A column that
  was not loaded is null.
#}
{% macro loaded(table, columns) %}
    {%- set source_table = source('impact', table) -%}
    {%- set relation = load_relation(source_table) if execute else none -%}
    {%- set found = {} -%}
    {%- if relation -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do found.update({column.name | lower: column}) -%}
        {%- endfor -%}
    {%- endif %}
    select
    {%- for name, meaning in columns.items() %}
        {%- set kind = meaning if meaning is string else meaning[0] %}
        {%- set names = [name] if meaning is string else meaning[1:] %}
        {%- set there = names | select('in', found) | list %}
        {% if there -%}
            {%- set column = found[there[0]] -%}
            {{ impact.as_kind(column.quoted, kind, column.data_type | lower) }}
        {%- else -%}
            cast(null as {{ impact.type_of(kind) }})
        {%- endif %} as {{ name }}
        {{- ',' if not loop.last }}
    {%- endfor %}
    {%- if relation %}
    from {{ source_table }}
        {%- if '_sdc_deleted_at' in found %}
    where _sdc_deleted_at is null
        {%- endif %}
    {%- else %}
    from (select 1 as nothing) as never_loaded
    where 1 = 0
    {%- endif %}
{% endmacro %}
