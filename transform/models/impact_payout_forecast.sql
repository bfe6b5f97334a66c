with forecasts as (
    select * from {{ ref('impact_forecasts') }}
),

errors as (
    select
        connection_label,
        campaign_id,
        currency,
        count(*) as compared,
        sum(came_to) as came_to,
        sum(abs(forecast - came_to)) as off_by,
        sum(abs(pending - came_to)) as naive_off_by
    from forecasts
    where came_to is not null
    group by connection_label, campaign_id, currency
)

select
    forecasts.forecast_at,
    forecasts.connection_label,
    forecasts.campaign_id,
    forecasts.campaign_name,
    forecasts.currency,
    cast(forecasts.actions as bigint) as actions,
    forecasts.pending,
    forecasts.forecast,
    cast(coalesce(errors.compared, 0) as bigint) as past_forecasts,
    cast(errors.came_to as {{ type_of('money') }}) as past_came_to,
    cast(errors.off_by as {{ type_of('money') }}) as past_off_by,
    cast(errors.naive_off_by as {{ type_of('money') }}) as past_naive_off_by,
    cast(round(errors.off_by / nullif(errors.came_to, 0), 4) as {{ type_of('money') }}) as past_error,
    cast(round(errors.naive_off_by / nullif(errors.came_to, 0), 4) as {{ type_of('money') }})
        as past_naive_error
from forecasts
left join errors
    on
        coalesce(forecasts.connection_label, '') = coalesce(errors.connection_label, '')
        and forecasts.campaign_id = errors.campaign_id
        and forecasts.currency = errors.currency
where forecasts.is_current
