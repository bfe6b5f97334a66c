{#
  The rows of a loaded table, without those that the loader marked as gone; none where the table
  was never loaded. `columns` names what the model reads, each with its kind (macros/kinds.sql) or,
  where the loaded table calls it otherwise, with the kind and the names to look for. A column that
  was not loaded is null.
#}
{% macro loaded(table, columns) %}
    {%- set found = impact.loaded_columns(table, columns) %}
    select
    {%- for name, meaning in columns.items() %}
        {%- set kind = meaning if meaning is string else meaning[0] %}
        {%- set names = [name] if meaning is string else meaning[1:] %}
        {%- set there = names | select('in', found) | list %}
        {% if there -%}
            {{ impact.as_kind(found[there[0]][0], kind, found[there[0]][1]) }}
        {%- else -%}
            cast(null as {{ impact.type_of(kind) }})
        {%- endif %} as {{ name }}
        {{- ',' if not loop.last }}
    {%- endfor %}
    {%- if not found %}
    from (select 1 as nothing) as never_loaded
    where 1 = 0
    {%- elif var('impact_json_lines', none) %}
    from ({{ impact.json_lines(table) }}) as lines_of_files
    {%- else %}
    from {{ source('impact', table) }}
        {%- if '_sdc_deleted_at' in found %}
    where _sdc_deleted_at is null
        {%- endif %}
    {%- endif %}
{% endmacro %}

{#
  The columns of a loaded table, each an expression and a type; none if it was never loaded. Where dbt
  may not look at the database (--no-introspect), all that the model reads are taken to be there.
#}
{% macro loaded_columns(table, columns) %}
    {%- set source_table = source('impact', table) -%}
    {%- set found = {} -%}
    {%- if execute and not flags.INTROSPECT -%}
        {%- for name, meaning in columns.items() -%}
            {%- set loaded_name = name if meaning is string else meaning[1] -%}
            {%- do found.update({loaded_name: [loaded_name, '']}) -%}
        {%- endfor -%}
    {%- elif execute and var('impact_json_lines', none) -%}
        {%- for name in impact.keys_of_files(table) -%}
            {%- do found.update({name: ["(line ->> '$." ~ name ~ "')", 'text']}) -%}
        {%- endfor -%}
    {%- elif execute -%}
        {%- set relation = load_relation(source_table) -%}
        {%- for column in (adapter.get_columns_in_relation(relation) if relation else []) -%}
            {%- do found.update({column.name | lower: [column.quoted, column.data_type | lower]}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(found) -%}
{% endmacro %}

{# Whether a table was loaded at all. #}
{% macro is_loaded(table) %}
    {%- do return(impact.loaded_columns(table, {'id': 'text'}) | length > 0) -%}
{% endmacro %}
