{#
  The rows of a loaded report, as `loaded`, without those that the report no longer had when their
  period was read last.
#}
{% macro report_rows(report, columns) %}
    select
    {%- for name in columns %}
        report_rows.{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from (
        {{ impact.loaded(report, dict(columns, period='text', read_at='instant', label=['text', 'connection_label'])) }}
    ) as report_rows
    left join (
        {{ impact.loaded('report_periods', {
            'report': 'text',
            'period': 'text',
            'read_at': 'instant',
            'label': ['text', 'connection_label'],
        }) }}
    ) as periods
        on periods.report = '{{ report }}'
        and report_rows.period = periods.period
        and coalesce(report_rows.label, '') = coalesce(periods.label, '')
    where periods.read_at is null or report_rows.read_at >= periods.read_at
{% endmacro %}
