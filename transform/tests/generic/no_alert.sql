{% test no_alert(model, alert) %}
select *
from {{ model }}
where is_current and alert = '{{ alert }}'
{% endtest %}
