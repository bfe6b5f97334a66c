-- For every day, connection, campaign and currency, the SubIds add up to the daily performance.
{%- set figures = [
    'clicks', 'unique_clicks', 'conversions', 'conversions_pending', 'conversions_approved',
    'conversions_reversed', 'commission', 'commission_lost', 'sale_amount',
] %}

with by_subid as (
    select
        day,
        connection_label,
        campaign_id,
        currency,
        {%- for figure in figures %}
        sum({{ figure }}) as {{ figure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('impact_performance_by_subid') }}
    group by day, connection_label, campaign_id, currency
)

select
    daily.day,
    daily.connection_label,
    daily.campaign_id,
    daily.currency,
    daily.clicks,
    by_subid.clicks as clicks_by_subid,
    daily.commission,
    by_subid.commission as commission_by_subid
from {{ ref('impact_daily_performance') }} as daily
full outer join by_subid
    on
        daily.day = by_subid.day
        and coalesce(daily.connection_label, '') = coalesce(by_subid.connection_label, '')
        and daily.campaign_id = by_subid.campaign_id
        and coalesce(daily.currency, '') = coalesce(by_subid.currency, '')
where
    daily.day is null
    or by_subid.day is null
    {%- for figure in figures %}
    or coalesce(daily.{{ figure }}, -1) <> coalesce(by_subid.{{ figure }}, -1)
    {%- endfor %}
