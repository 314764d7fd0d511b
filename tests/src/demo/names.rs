//! What things are called: invented, in Chinese and English.

/// A Chinese name and its English form.
pub(super) type Name = (&'static str, &'static str);

/// The district: there is none of this name.
pub(super) const DISTRICT: Name = ("和安区", "He'an District");

/// The streets and townships, each with the letters of its communities on the plan.
pub(super) const STREETS: [(Name, &str); 8] = [
    (("钟鼓街道", "Zhonggu Subdistrict"), "QRSTU"),
    (("柳巷街道", "Liuxiang Subdistrict"), "VWXY"),
    (("桐花街道", "Tonghua Subdistrict"), "HIJLM"),
    (("站前街道", "Zhanqian Subdistrict"), "NOP"),
    (("南埠街道", "Nanbu Subdistrict"), "opqrst"),
    (("东澜街道", "Donglan Subdistrict"), "abcdef"),
    (("西陂镇", "Xibei Town"), "ABCDEFGZ"),
    (("稻香镇", "Daoxiang Town"), "lmn"),
];

/// The communities by their letter on the plan, in the order of [`STREETS`].
pub(super) const COMMUNITIES: [(u8, Name); 40] = [
    (b'Q', ("钟楼社区", "Zhonglou Community")),
    (b'R', ("书院社区", "Shuyuan Community")),
    (b'S', ("北桥社区", "Beiqiao Community")),
    (b'T', ("文庙社区", "Wenmiao Community")),
    (b'U', ("听涛社区", "Tingtao Community")),
    (b'V', ("柳巷社区", "Liuxiang Community")),
    (b'W', ("青石社区", "Qingshi Community")),
    (b'X', ("学宫社区", "Xuegong Community")),
    (b'Y', ("望江社区", "Wangjiang Community")),
    (b'H', ("机床厂社区", "Jichuangchang Community")),
    (b'I', ("桐花社区", "Tonghua Community")),
    (b'J', ("北苑社区", "Beiyuan Community")),
    (b'L', ("纺织社区", "Fangzhi Community")),
    (b'M', ("梧桐社区", "Wutong Community")),
    (b'N', ("人和社区", "Renhe Community")),
    (b'O', ("站前社区", "Zhanqian Community")),
    (b'P', ("织锦社区", "Zhijin Community")),
    (b'o', ("南埠社区", "Nanbu Community")),
    (b'p', ("码头社区", "Matou Community")),
    (b'q', ("映湖社区", "Yinghu Community")),
    (b'r', ("砖桥社区", "Zhuanqiao Community")),
    (b's', ("江洲社区", "Jiangzhou Community")),
    (b't', ("南塘社区", "Nantang Community")),
    (b'a', ("东苑社区", "Dongyuan Community")),
    (b'b', ("澜湾社区", "Lanwan Community")),
    (b'c', ("桥东社区", "Qiaodong Community")),
    (b'd', ("向阳社区", "Xiangyang Community")),
    (b'e', ("安澜社区", "Anlan Community")),
    (b'f', ("柳堤社区", "Liudi Community")),
    (b'A', ("北陂村", "Beibei Village")),
    (b'B', ("陂塘社区", "Beitang Community")),
    (b'C', ("石坎村", "Shikan Village")),
    (b'D', ("新陂社区", "Xinbei Community")),
    (b'E', ("铁西社区", "Tiexi Community")),
    (b'F', ("西环社区", "Xihuan Community")),
    (b'G', ("砂坑村", "Shakeng Village")),
    (b'Z', ("南陂村", "Nanbei Village")),
    (b'l', ("禾场村", "Hechang Village")),
    (b'm', ("稻香村", "Daoxiang Village")),
    (b'n', ("竹溪村", "Zhuxi Village")),
];

/// First halves of the names of blocks.
const FIRST: [Name; 40] = [
    ("锦绣", "Jinxiu"),
    ("阳光", "Yangguang"),
    ("翠竹", "Cuizhu"),
    ("金桂", "Jingui"),
    ("丽景", "Lijing"),
    ("康乐", "Kangle"),
    ("福临", "Fulin"),
    ("春晖", "Chunhui"),
    ("紫薇", "Ziwei"),
    ("清波", "Qingbo"),
    ("云栖", "Yunqi"),
    ("安居", "Anju"),
    ("玉兰", "Yulan"),
    ("长乐", "Changle"),
    ("南湖", "Nanhu"),
    ("东升", "Dongsheng"),
    ("荷塘", "Hetang"),
    ("银杏", "Yinxing"),
    ("景明", "Jingming"),
    ("瑞和", "Ruihe"),
    ("柏林", "Bolin"),
    ("梅园", "Meiyuan"),
    ("水岸", "Shui'an"),
    ("新华", "Xinhua"),
    ("建设", "Jianshe"),
    ("百合", "Baihe"),
    ("文华", "Wenhua"),
    ("枫林", "Fenglin"),
    ("明珠", "Mingzhu"),
    ("海棠", "Haitang"),
    ("松涛", "Songtao"),
    ("聚福", "Jufu"),
    ("星河", "Xinghe"),
    ("合欢", "Hehuan"),
    ("凤鸣", "Fengming"),
    ("晨曦", "Chenxi"),
    ("古井", "Gujing"),
    ("白鹭", "Bailu"),
    ("石榴", "Shiliu"),
    ("槐树", "Huaishu"),
];

const SUPERBLOCK_LAST: [Name; 5] =
    [("花园", "Garden"), ("华庭", "Court"), ("府", "Mansion"), ("家园", "Homes"), ("雅苑", "Park Residence")];
const ESTATE_LAST: [Name; 5] =
    [("小区", "Estate"), ("新村", "New Village"), ("里", "Li"), ("宿舍", "Staff Housing"), ("一区", "First Estate")];
const OLD_TOWN_LAST: [Name; 5] =
    [("巷", "Lane"), ("坊", "Ward"), ("弄", "Alley"), ("大院", "Courtyards"), ("街坊", "Row")];

/// The villages in the order in which the plan is drawn, row by row from the south.
pub(super) const VILLAGES: [Name; 9] = [
    ("南塘湾", "Nantangwan"),
    ("禾场", "Hechang"),
    ("南陂", "Nanbei"),
    ("老禾场", "Laohechang"),
    ("砂坑", "Shakeng"),
    ("稻香", "Daoxiang"),
    ("石坎", "Shikan"),
    ("竹溪", "Zhuxi"),
    ("北陂", "Beibei"),
];

/// Gives every block a name that no other has.
#[derive(Default)]
pub(super) struct BlockNames {
    given: [usize; 3],
}

impl BlockNames {
    /// The next name for a block in a field of this kind.
    pub(super) fn next(&mut self, kind: u8) -> (String, String) {
        let (counter, last) = match kind {
            b'M' => (1, ESTATE_LAST),
            b'O' => (2, OLD_TOWN_LAST),
            _ => (0, SUPERBLOCK_LAST),
        };
        let n = self.given[counter];
        self.given[counter] += 1;
        // A step of 41 is coprime to five last halves: no pair returns before all 200 have been used.
        let (first, last) = (FIRST[n % FIRST.len()], last[(n / FIRST.len() + n) % last.len()]);
        (format!("{}{}", first.0, last.0), format!("{} {}", first.1, last.1))
    }
}
