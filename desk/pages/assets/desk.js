// What all pages do: on a narrow screen the filters are folded, so that pictures come first.
"use strict";

if (matchMedia("(max-width: 52rem)").matches)
  for (const filters of document.querySelectorAll(".filters details")) filters.open = false;
