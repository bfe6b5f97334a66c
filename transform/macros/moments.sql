{#
  What time it is in UTC, as Python has it: the variable impact_as_of, else the environment's
  IMPACT_AS_OF, since a scheduler can set one where it cannot say `--vars`, else when dbt was started.
#}
{% macro now_in_python() %}
    {%- set as_of = var('impact_as_of', none) or env_var('IMPACT_AS_OF', '') -%}
    {%- set now = run_started_at -%}
    {%- if as_of -%}
        {%- set now = modules.datetime.datetime.fromisoformat(as_of | string | replace('Z', '+00:00')) -%}
    {%- endif -%}
    {%- if now.tzinfo -%}
        {%- set now = now.astimezone(modules.pytz.utc) -%}
    {%- endif -%}
    {%- do return(now.replace(tzinfo=none)) -%}
{% endmacro %}

{# A moment of Python's, which is UTC, in SQL. #}
{% macro instant(moment) -%}
    cast('{{ moment.strftime('%Y-%m-%dT%H:%M:%S') }}+00:00' as {{ impact.type_of('instant') }})
{%- endmacro %}

{% macro now() -%}
    {{ impact.instant(impact.now_in_python()) }}
{%- endmacro %}
