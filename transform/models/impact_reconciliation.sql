{#-
  Two comparisons for each month of the events, campaign and currency:

      earned - not yet invoiced - untraced = invoiced
      invoiced - overdue - in transit = withdrawn

  and one for each withdrawal: what was paid out - what it paid = untraced.
-#}
{%- set knows_other_earnings = impact.is_loaded('report_other_earnings') -%}
{%- set money = impact.type_of('money') -%}

with actions as (
    {{ loaded('actions', {
        'connection_label': 'text',
        'campaign_id': 'text',
        'campaign_name': 'text',
        'currency': 'text',
        'event_day': 'day',
        'cleared_day': 'day',
        'payout': 'money',
    }) }}
),

invoices as (
    {{ loaded('invoices', {'id': 'text', 'connection_label': 'text', 'line_item_count': 'count'}) }}
),

line_items as (
    {{ loaded('invoice_line_items', {
        'invoice_id': 'text',
        'line_number': 'count',
        'connection_label': 'text',
        'campaign_id': 'text',
        'currency': 'text',
        'description': 'text',
        'event_month': 'day',
        'created_day': 'day',
        'paid_day': 'day',
        'status': 'text',
        'net_item_amount': 'money',
    }) }}
),

other_earnings as (
    {{ report_rows('report_other_earnings', {
        'connection_label': 'text',
        'campaign_id': 'text',
        'day': 'day',
        'type': ['text', 'type', 'type_'],
        'amount': 'money',
        'currency': 'text',
    }) }}
),

withdrawals as (
    {{ report_rows('report_withdrawals', {
        'connection_label': 'text',
        'paystub_id': 'text',
        'paid_day': 'day',
        'amount': 'money',
        'currency': 'text',
    }) }}
),

-- lines that an invoice no longer has are left out
lines as (
    select
        line_items.connection_label,
        line_items.campaign_id,
        line_items.currency,
        line_items.description,
        line_items.event_month,
        line_items.created_day,
        line_items.status,
        line_items.net_item_amount,
        case when line_items.status = 'PAID' then line_items.paid_day end as paid_day
    from line_items
    left join invoices
        on line_items.invoice_id = invoices.id
        and coalesce(line_items.connection_label, '') = coalesce(invoices.connection_label, '')
    where line_items.line_number <= coalesce(invoices.line_item_count, line_items.line_number)
),

first_days as (
    select
        connection_label,
        min(event_day) as first_day,
        cast({{ dbt.date_trunc('month', 'min(event_day)') }} as date) as month_of_it
    from actions
    group by connection_label
),

-- Where months before it were invoiced, the account is older than what was loaded of it, and the
-- month that loading began in is there in part.
first_months as (
    select
        first_days.connection_label,
        case
            when
                first_days.first_day > first_days.month_of_it
                and min(lines.event_month) < first_days.month_of_it
                then cast({{ dbt.dateadd('month', 1, 'first_days.month_of_it') }} as date)
            else first_days.month_of_it
        end as first_month
    from first_days
    left join lines
        on coalesce(first_days.connection_label, '') = coalesce(lines.connection_label, '')
    group by first_days.connection_label, first_days.first_day, first_days.month_of_it
),

-- what reports leave open: the currency of most actions
connections as (
    select
        connection_label,
        currency
    from (
        select
            connection_label,
            currency,
            row_number() over (
                partition by connection_label
                order by count(*) desc, currency
            ) as place
        from actions
        group by connection_label, currency
    ) as counted
    where place = 1
),

-- An invoice holds what was cleared in the months before it.
newest_invoices as (
    select
        connection_label,
        currency,
        min(created_day) as first_day,
        max(cast({{ dbt.date_trunc('month', 'created_day') }} as date)) as open_month
    from lines
    group by connection_label, currency
),

-- impact.com adds up the payouts of a month of clearing, and rounds what it invoices to the cent.
cleared as (
    select
        connection_label,
        campaign_id,
        currency,
        cast({{ dbt.date_trunc('month', 'event_day') }} as date) as event_month,
        cast({{ dbt.date_trunc('month', 'cleared_day') }} as date) as earned_month,
        round(sum(payout), 2) as amount
    from actions
    where cleared_day is not null
    group by 1, 2, 3, 4, 5
),

earned as (
    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        earned_month,
        'cleared_actions' as item,
        amount
    from cleared

    union all
    {% if knows_other_earnings %}
    select
        other_earnings.connection_label,
        other_earnings.campaign_id,
        coalesce(other_earnings.currency, connections.currency),
        cast({{ dbt.date_trunc('month', 'other_earnings.day') }} as date),
        cast({{ dbt.date_trunc('month', 'other_earnings.day') }} as date),
        case
            when lower(other_earnings.type) like '%bonus%' then 'bonus'
            when lower(other_earnings.type) like '%transfer%' then 'fund_transfer'
            else 'other_earnings'
        end,
        other_earnings.amount
    from other_earnings
    left join connections
        on coalesce(other_earnings.connection_label, '') = coalesce(connections.connection_label, '')
    {% else %}
    -- without the report of other earnings, the invoice itself is all that tells of a bonus
    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        cast(null as date),
        'bonus',
        net_item_amount
    from lines
    where description = 'BONUS'
    {% endif %}
),

-- A withdrawal pays the lines that were paid since the one before.
paystubs as (
    select
        withdrawals.connection_label,
        withdrawals.paystub_id,
        coalesce(withdrawals.currency, connections.currency) as currency,
        withdrawals.amount,
        withdrawals.paid_day,
        lag(withdrawals.paid_day) over (
            partition by
                withdrawals.connection_label, coalesce(withdrawals.currency, connections.currency)
            order by withdrawals.paid_day, withdrawals.paystub_id
        ) as day_before
    from withdrawals
    left join connections
        on coalesce(withdrawals.connection_label, '') = coalesce(connections.connection_label, '')
),

paid_lines as (
    select
        lines.*,
        paystubs.paystub_id
    from lines
    left join paystubs
        on coalesce(lines.connection_label, '') = coalesce(paystubs.connection_label, '')
        and lines.currency = paystubs.currency
        and lines.paid_day < paystubs.paid_day
        and (paystubs.day_before is null or lines.paid_day >= paystubs.day_before)
),

items as (
    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        'earned' as side,
        item,
        amount
    from earned

    union all

    select
        earned.connection_label,
        earned.campaign_id,
        earned.currency,
        earned.event_month,
        'not invoiced',
        'not_yet_invoiced',
        earned.amount
    from earned
    left join newest_invoices
        on coalesce(earned.connection_label, '') = coalesce(newest_invoices.connection_label, '')
        and earned.currency = newest_invoices.currency
    where
        newest_invoices.open_month is null
        or earned.earned_month >= newest_invoices.open_month

    union all

    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        'invoiced',
        'invoice_lines',
        net_item_amount
    from lines

    union all

    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        case when paystub_id is null then 'not withdrawn' else 'withdrawn' end,
        case
            when paystub_id is not null then 'withdrawals'
            when status = 'OVERDUE' then 'overdue'
            else 'in_transit'
        end,
        net_item_amount
    from paid_lines
),

-- months whose actions were loaded, all of them
kept as (
    select items.*
    from items
    inner join first_months
        on coalesce(items.connection_label, '') = coalesce(first_months.connection_label, '')
        and items.event_month >= first_months.first_month
),

not_invoiced as (
    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        sum(case side when 'earned' then amount else -amount end) as amount
    from kept
    where side in ('earned', 'not invoiced', 'invoiced')
    group by 1, 2, 3, 4
    having sum(case side when 'earned' then amount else -amount end) <> 0
),

lines_of_paystubs as (
    select
        connection_label,
        paystub_id,
        campaign_id,
        currency,
        event_month,
        sum(net_item_amount) as amount
    from paid_lines
    where paystub_id is not null
    group by 1, 2, 3, 4, 5
),

not_withdrawn as (
    select
        paystubs.connection_label,
        paystubs.currency,
        cast({{ dbt.date_trunc('month', 'paystubs.paid_day') }} as date) as event_month,
        coalesce(sum(lines_of_paystubs.amount), 0) - max(paystubs.amount) as amount,
        coalesce(sum(not_invoiced.amount), 0) as amount_not_invoiced
    from paystubs
    inner join newest_invoices
        on coalesce(paystubs.connection_label, '') = coalesce(newest_invoices.connection_label, '')
        and paystubs.currency = newest_invoices.currency
        and paystubs.paid_day >= newest_invoices.first_day
    left join lines_of_paystubs
        on paystubs.paystub_id = lines_of_paystubs.paystub_id
        and coalesce(paystubs.connection_label, '') = coalesce(lines_of_paystubs.connection_label, '')
    left join not_invoiced
        on lines_of_paystubs.campaign_id = not_invoiced.campaign_id
        and lines_of_paystubs.currency = not_invoiced.currency
        and lines_of_paystubs.event_month = not_invoiced.event_month
        and coalesce(lines_of_paystubs.connection_label, '') = coalesce(not_invoiced.connection_label, '')
    group by paystubs.connection_label, paystubs.currency, paystubs.paystub_id, paystubs.paid_day
),

untraced as (
    select
        connection_label,
        campaign_id,
        currency,
        event_month,
        'not invoiced' as side,
        'untraced' as item,
        amount
    from not_invoiced

    union all

    -- what a line has too much is told where it was invoiced
    select
        connection_label,
        cast(null as {{ dbt.type_string() }}),
        currency,
        event_month,
        'not withdrawn',
        'untraced',
        amount
    from not_withdrawn
    where amount <> 0 and amount <> -amount_not_invoiced
),

everything as (
    select * from kept
    union all
    select * from untraced
),

names as (
    select
        campaign_id,
        max(campaign_name) as campaign_name
    from actions
    group by campaign_id
)

select
    everything.connection_label,
    everything.event_month,
    everything.campaign_id,
    names.campaign_name,
    everything.currency,
    everything.side,
    everything.item,
    cast(sum(everything.amount) as {{ money }}) as amount
from everything
left join names on everything.campaign_id = names.campaign_id
group by 1, 2, 3, 4, 5, 6, 7
