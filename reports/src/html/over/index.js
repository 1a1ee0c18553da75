"use strict";
(() => {
  const bar = document.getElementById("filters");
  const rows = [...document.querySelectorAll("#rows > tr")];
  const fields = [...bar.querySelectorAll("[data-filter]")];
  const told = document.getElementById("shown");
  const fits = (row, field) => {
    if (!field.value) return true;
    const name = field.dataset.filter;
    const value = row.dataset[name] || "";
    return name === "text" ? value.includes(field.value.toLowerCase()) : value === field.value;
  };
  const apply = () => {
    let n = 0;
    for (const row of rows) {
      row.hidden = !fields.every((field) => fits(row, field));
      if (!row.hidden) n += 1;
    }
    told.textContent = n === rows.length ? "" : `${n} of ${rows.length}`;
  };
  for (const field of fields) field.addEventListener("input", apply);
  bar.hidden = false;
  apply();
})();
