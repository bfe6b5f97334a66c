-- No click is lost or doubled on its way to a campaign and a currency.
with modelled as (
    select
        day,
        connection_label,
        sum(clicks) as clicks,
        sum(unique_clicks) as unique_clicks
    from {{ ref('impact_daily_performance') }}
    group by day, connection_label
)

select
    click_days.day,
    click_days.connection_label,
    click_days.clicks,
    modelled.clicks as modelled_clicks
from {{ ref('impact_click_days') }} as click_days
left join modelled
    on
        click_days.day = modelled.day
        and coalesce(click_days.connection_label, '') = coalesce(modelled.connection_label, '')
where
    click_days.clicks <> coalesce(modelled.clicks, 0)
    or click_days.unique_clicks <> coalesce(modelled.unique_clicks, 0)
