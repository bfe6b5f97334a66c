{%- set names = var('impact_connection_names', {}) -%}

with performance as (
    select
        connection_label,
        min(day) as first_day,
        max(day) as last_day
    from {{ ref('impact_daily_performance') }}
    group by connection_label
),

clicks as (
    select
        connection_label,
        min(day) as first_click_day,
        max(day) as last_click_day,
        count(*) as click_days
    from {{ ref('impact_click_days') }}
    group by connection_label
),

payouts as (
    select
        connection_label,
        max(created_at) as last_action_at
    from {{ ref('impact_payouts') }}
    group by connection_label
)

select
    performance.connection_label,
    cast(
        case performance.connection_label
            {%- for label, name in names.items() %}
            when '{{ dbt.escape_single_quotes(label) }}' then '{{ dbt.escape_single_quotes(name) }}'
            {%- endfor %}
            {%- if not names %}
            when null then null
            {%- endif %}
            else coalesce(performance.connection_label, 'impact.com')
        end as {{ type_of('text') }}
    ) as connection_name,
    performance.first_day,
    performance.last_day,
    payouts.last_action_at,
    clicks.first_click_day,
    clicks.last_click_day,
    cast(coalesce(clicks.click_days, 0) as bigint) as click_days
from performance
left join clicks
    on coalesce(performance.connection_label, '') = coalesce(clicks.connection_label, '')
left join payouts
    on coalesce(performance.connection_label, '') = coalesce(payouts.connection_label, '')
