{#
  The kinds of columns, and what each is called by a database: text, day, instant (a moment, whatever
  the session's time zone), money, count and flag.
#}
{% macro type_of(kind) %}
    {%- if kind == 'text' or kind == 'json' -%} {{ dbt.type_string() }}
    {%- elif kind == 'instant' -%} {{ adapter.dispatch('type_instant', 'impact')() }}
    {%- else -%} {{ {'day': 'date', 'money': 'numeric(38, 9)', 'count': 'bigint', 'flag': 'boolean'}[kind] }}
    {%- endif -%}
{% endmacro %}

{% macro default__type_instant() %}timestamptz{% endmacro %}
{% macro snowflake__type_instant() %}timestamp_tz{% endmacro %}
{% macro bigquery__type_instant() %}timestamp{% endmacro %}

{# A loaded column as one of its kind, whichever type the loader gave it. #}
{% macro as_kind(column, kind, loaded_type) %}
    {%- if kind == 'instant' -%}
        {{ adapter.dispatch('as_instant', 'impact')(column, loaded_type) }}
    {%- elif kind == 'json' -%}
        {#- loaders write JSON's null, which is not SQL's -#}
        nullif({{ adapter.dispatch('json_text', 'impact')(column, loaded_type) }}, 'null')
    {%- else -%}
        cast({{ column }} as {{ impact.type_of(kind) }})
    {%- endif -%}
{% endmacro %}

{# Loaders drop the zone of the tap's instants, which is always UTC. #}
{% macro default__as_instant(column, loaded_type) %}
    {%- if loaded_type in ('timestamp', 'timestamp without time zone', 'timestamp_ns', 'datetime') -%}
        ({{ column }} at time zone 'UTC')
    {%- else -%}
        cast({{ column }} as timestamptz)
    {%- endif -%}
{% endmacro %}

{% macro snowflake__as_instant(column, loaded_type) %}
    {%- if loaded_type.startswith('timestamp_ntz') -%}
        to_timestamp_tz(to_varchar({{ column }}, 'YYYY-MM-DD"T"HH24:MI:SS.FF6') || '+00:00')
    {%- else -%}
        cast({{ column }} as timestamp_tz)
    {%- endif -%}
{% endmacro %}

{% macro bigquery__as_instant(column, loaded_type) %}timestamp({{ column }}){% endmacro %}

{% macro default__json_text(column, loaded_type) %}cast({{ column }} as {{ dbt.type_string() }}){% endmacro %}

{% macro bigquery__json_text(column, loaded_type) -%}
    {{ 'to_json_string(' ~ column ~ ')' if loaded_type == 'json' else column }}
{%- endmacro %}
