-- Each day whose clicks are known. A click has no currency: where the connection has no setting for
-- it, it is that of most of its actions.
with actions as (
    {{ loaded('actions', {'connection_label': 'text', 'currency': 'text'}) }}
),

daily_clicks as (
    {{ loaded('daily_clicks', {
        'click_day': 'day',
        'connection_label': 'text',
        'connection_currency': 'text',
        'clicks': 'count',
        'unique_clicks': 'count',
    }) }}
),

click_exports as (
    {{ loaded('click_exports', {
        'click_day': 'day',
        'connection_label': 'text',
        'connection_currency': 'text',
        'export_clicks': ['count', 'clicks', 'rows'],
    }) }}
),

report as (
    {{ report_rows('report_daily_performance', {
        'day': 'day',
        'read_at': 'instant',
        'connection_label': 'text',
        'connection_currency': 'text',
        'clicks': 'count',
        'raw_clicks': 'count',
    }) }}
),

-- a day that was read when it was over, wherever the account is
report_days as (
    select *
    from report
    where {{ dbt.datediff('day', 'read_at', 'hour') }} >= 36
),

known as (
    select
        click_day as day,
        connection_label,
        connection_currency,
        'daily_clicks' as clicks_source,
        1 as place,
        clicks,
        unique_clicks
    from daily_clicks

    union all

    -- a day without clicks has no other row
    select
        click_day,
        connection_label,
        connection_currency,
        'daily_clicks',
        1,
        0,
        0
    from click_exports
    where export_clicks = 0

    union all

    select
        day,
        connection_label,
        connection_currency,
        'report_daily_performance',
        2,
        coalesce(raw_clicks, clicks),
        clicks
    from report_days
),

by_source as (
    select
        day,
        connection_label,
        clicks_source,
        max(connection_currency) as connection_currency,
        sum(clicks) as clicks,
        sum(unique_clicks) as unique_clicks,
        row_number() over (partition by day, connection_label order by place) as choice
    from known
    group by day, connection_label, clicks_source, place
),

ranked_currencies as (
    select
        connection_label,
        currency,
        row_number() over (
            partition by connection_label
            order by count(*) desc, currency
        ) as choice
    from actions
    group by connection_label, currency
)

select
    by_source.day,
    by_source.connection_label,
    coalesce(by_source.connection_currency, ranked_currencies.currency) as currency,
    by_source.clicks_source,
    cast(by_source.clicks as bigint) as clicks,
    cast(by_source.unique_clicks as bigint) as unique_clicks
from by_source
left join ranked_currencies
    on
        coalesce(by_source.connection_label, '') = coalesce(ranked_currencies.connection_label, '')
        and ranked_currencies.choice = 1
where by_source.choice = 1
