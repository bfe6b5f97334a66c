{# What time it is, as Python has it: the variable impact_as_of, else when dbt was started. #}
{% macro now_in_python() %}
    {%- set as_of = var('impact_as_of', none) -%}
    {%- if as_of -%}
        {%- do return(modules.datetime.datetime.strptime((as_of | string)[:19] | replace('T', ' '), '%Y-%m-%d %H:%M:%S')) -%}
    {%- else -%}
        {%- do return(run_started_at.replace(tzinfo=none)) -%}
    {%- endif -%}
{% endmacro %}

{# A moment of Python's, which is UTC, in SQL. #}
{% macro instant(moment) -%}
    cast('{{ moment.strftime('%Y-%m-%dT%H:%M:%S') }}+00:00' as {{ impact.type_of('instant') }})
{%- endmacro %}

{% macro now() -%}
    {{ impact.instant(impact.now_in_python()) }}
{%- endmacro %}
