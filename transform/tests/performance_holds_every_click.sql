-- No click is lost or doubled on its way to a campaign and a currency.
with loaded_clicks as (
    {{ loaded('daily_clicks', {'click_day': 'date', 'clicks': 'bigint', 'unique_clicks': 'bigint'}) }}
),

expected as (
    select
        click_day as day,
        sum(clicks) as clicks,
        sum(unique_clicks) as unique_clicks
    from loaded_clicks
    group by click_day
),

modelled as (
    select
        day,
        sum(clicks) as clicks,
        sum(unique_clicks) as unique_clicks
    from {{ ref('impact_daily_performance') }}
    group by day
)

select
    expected.day,
    expected.clicks,
    modelled.clicks as modelled_clicks
from expected
left join modelled on expected.day = modelled.day
where
    expected.clicks <> coalesce(modelled.clicks, 0)
    or expected.unique_clicks <> coalesce(modelled.unique_clicks, 0)
